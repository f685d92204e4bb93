import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ResNetFeatureModel } from '../../src/encoders/resnet.js';
import { InputError } from '../../src/errors.js';
import type { FusionSizes, Mode } from '../../src/fusion/fusion.js';
import { createFusion } from '../../src/fusion/index.js';
import { BertResNetModel } from '../../src/model.js';
import type { ModelOptions } from '../../src/modelOptions.js';
import { DropoutSource } from '../../src/nn/dropout.js';
import { describeBackends, take } from '../backends.js';
import { forwardTolerance, Oracle } from '../oracle.js';

const text = {
  vocabSize: 11,
  hiddenSize: 12,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 10,
  maxPositionEmbeddings: 8,
};
const image = {
  embeddingSize: 3,
  hiddenSizes: [3, 4, 6, 8],
  depths: [1, 1, 1, 1],
  layerType: 'basic',
} as const;
const labels = ['negative', 'neutral', 'positive'];
const tiny = (options: Partial<ModelOptions> = {}): BertResNetModel =>
  new BertResNetModel({ labels, text, image, hiddenSize: 6, ...options });

const modes: readonly Mode[] = ['text', 'image', 'both'];
const fusions = ['mlp', 'cnn', 'attention', 'attention-original', 'late'];

interface Inputs {
  readonly text: { readonly inputIds: tf.Tensor2D };
  readonly image: tf.Tensor4D;
}

function inputs(rows = 3): Inputs {
  const ids = Array.from({ length: rows * 4 }, (_, i) => (i * 7) % 11);
  const pixels = Float32Array.from({ length: rows * 40 * 33 * 3 }, (_, i) => Math.sin(i * 0.37));
  return {
    text: { inputIds: tf.tensor2d(ids, [rows, 4], 'int32') },
    image: tf.tensor4d(pixels, [rows, 40, 33, 3]),
  };
}

const free = (given: Inputs): void => tf.dispose([{ ...given.text }, given.image]);

describeBackends('a model that PyTorch trained under the notebook names', () => {
  test('gives the same logits in each mode', async () => {
    const oracle = new Oracle('notebook');
    const model = tiny({ initialize: false });
    model.loadStateDict(oracle.under('weight.'));
    const given = {
      text: { inputIds: oracle.tensor<tf.Tensor2D>('ids') },
      image: oracle.tensor<tf.Tensor4D>('image'),
    };
    for (const mode of modes) {
      await oracle.expect(model.forward(given, { mode }), `logits.${mode}`, forwardTolerance);
    }
    free(given);
    model.dispose();
  });

  test('is written under the same names and values', async () => {
    const oracle = new Oracle('notebook');
    const model = tiny({ initialize: false });
    model.loadStateDict(oracle.under('weight.'));
    const state = model.stateDict({ names: 'notebook' });
    const left = /pooler|num_batches_tracked|position_ids/;
    const expected = Object.keys(oracle.under('weight.')).filter((name) => !left.test(name));
    expect(Object.keys(state).toSorted()).toEqual(expected.toSorted());
    for (const [name, tensor] of Object.entries(state)) {
      await oracle.expect(tensor, `weight.${name}`, { relative: 0, absolute: 0 });
    }
    model.dispose();
  });
});

describeBackends('BertResNetModel', () => {
  test.each(fusions)(
    '%s: every parameter that a mode uses learns, and nothing is left behind',
    async (fusion) => {
      const model = tiny({ fusion });
      const given = inputs();
      const parameters = [...model.namedParameters()];
      const step = (mode: Mode): tf.NamedTensorMap => {
        const loss = (): tf.Scalar =>
          tf.sum(tf.square(model.forward(given, { mode, training: true })));
        const { value, grads } = tf.variableGrads(
          loss,
          parameters.map(([, variable]) => variable),
        );
        value.dispose();
        return grads;
      };
      const used = new Set<string>();
      for (const mode of modes) {
        const grads = step(mode);
        for (const [name, variable] of parameters)
          if (grads[variable.name] !== undefined) used.add(name);
        const finite = Object.values(grads).map(async (gradient) =>
          (await take(gradient)).every(Number.isFinite),
        );
        expect(await Promise.all(finite)).not.toContain(false);
      }
      expect([...used].toSorted()).toEqual(parameters.map(([name]) => name).toSorted());
      const before = tf.memory().numTensors;
      for (const mode of modes) tf.dispose(step(mode));
      expect(tf.memory().numTensors).toBe(before);
      free(given);
      model.dispose();
    },
  );

  test('names are transformers and torchvision ones, with the fusion at the top', () => {
    const model = tiny({ fusion: 'attention' });
    const names = [...model.namedParameters().keys()];
    expect(names).toEqual(
      expect.arrayContaining([
        'text_encoder.encoder.layer.0.attention.self.query.weight',
        'visual_encoder.layer1.0.conv1.weight',
        'visual_encoder.layer2.0.downsample.0.weight',
        'mlp_text.weight',
        'mlp_image.bias',
        'mlp_both.fc1.weight',
        'attention_text.weight',
        'attention_image.bias',
      ]),
    );
    expect([...model.namedBuffers().keys()]).toContain('visual_encoder.bn1.running_var');
    model.dispose();
  });

  test('only the encoders that a mode needs run', async () => {
    const model = tiny();
    const { text: texts, image: images } = inputs();
    const wrong = { inputIds: tf.zeros<tf.Rank.R2>([3, 4]) };
    const logits = model.forward({ text: wrong, image: images }, { mode: 'image' });
    expect(logits.shape).toEqual([3, 3]);
    tf.dispose([logits, { ...texts }, images, { ...wrong }]);
    model.dispose();
  });

  test('the default mode is what is given', async () => {
    const model = tiny();
    const given = inputs();
    const run = async (...args: Parameters<BertResNetModel['forward']>): Promise<number[]> =>
      take(model.forward(...args));
    expect(await run({ text: given.text })).toEqual(await run(given, { mode: 'text' }));
    expect(await run({ image: given.image })).toEqual(await run(given, { mode: 'image' }));
    expect(await run(given)).toEqual(await run(given, { mode: 'both' }));
    expect(await run(given)).not.toEqual(await run(given, { mode: 'text' }));
    free(given);
    model.dispose();
  });

  test('refuses what does not fit', () => {
    const model = tiny();
    const given = inputs();
    const two = inputs(2);
    expect(() => model.forward({})).toThrow(/text, image or both must be given, got neither/);
    expect(() => model.forward({ text: given.text }, { mode: 'both' })).toThrow(
      /mode 'both' needs text and image, got no image/,
    );
    expect(() => model.forward(given, { mode: 'img' as Mode })).toThrow(
      /unknown mode 'img'; the modes are text, image, both/,
    );
    expect(() => model.forward({ text: given.text, image: two.image })).toThrow(
      /same number of rows, got 3 and 2/,
    );
    free(given);
    free(two);
    model.dispose();
  });

  test.each([
    [['one'], /at least 2 different, non-empty strings, got \["one"\]/],
    [['a', 'b', 'a'], /got "a" twice/],
    [['a', ''], /got ""/],
    [['a', 1 as unknown as string], /got 1/],
  ])('refuses the labels %j', (given, message) => {
    expect(() => tiny({ labels: given })).toThrow(message);
  });

  test('refuses options that it does not know, and takes those that are undefined', () => {
    const refused = (given: object): string => {
      try {
        tiny(given).dispose();
        return 'taken';
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        return (error as Error).message;
      }
    };
    const known =
      'labels, text, image, fusion, hiddenSize, maxLength, trainedMode, tokenizer, processor, seed, calibration, initialize';
    expect(refused({ fuson: 'max' })).toBe(
      `BertResNetModel: unknown option 'fuson'; did you mean fusion? The options are ${known}`,
    );
    expect(refused({ learningSchedule: 1 })).toBe(
      `BertResNetModel: unknown option 'learningSchedule'; the options are ${known}`,
    );
    expect(refused({ toString: 1 })).toContain("unknown option 'toString'");
    const names = [...known.split(', ').filter((name) => !/labels|text|image/.test(name)), 'fuson'];
    expect(refused(Object.fromEntries(names.map((name) => [name, undefined])))).toBe('taken');
  });

  test('refuses sizes and fusions that it does not know', () => {
    const before = tf.memory().numTensors;
    expect(() => tiny({ text: 'roberta-base' })).toThrow(/'roberta-base' is not a known size/);
    expect(() => tiny({ hiddenSize: 0 })).toThrow(/hiddenSize must be an integer >= 1/);
    expect(() => tiny({ fusion: 'average' })).toThrow(/unknown type 'average'/);
    expect(() => tiny({ image: { depths: [1] } })).toThrow(/lists of one length/);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('refuses a fusion that was made for other sizes than its own', () => {
    const sizes = { textSize: 12, imageSize: 8, hiddenSize: 6, classes: 3 };
    const refused = (differing: Partial<FusionSizes>, message: string): void => {
      const fusion = createFusion('mlp', { ...sizes, ...differing });
      const before = tf.memory().numTensors;
      expect(() => tiny({ fusion })).toThrow(message);
      expect(tf.memory().numTensors).toBe(before);
      fusion.dispose();
    };
    refused({ classes: 2 }, 'sizes of its model, classes 3, got classes 2;');
    refused({ textSize: 13 }, 'textSize 12, got textSize 13;');
    refused(
      { imageSize: 4, classes: 4 },
      'imageSize 8, classes 3, got imageSize 4, classes 4; make it for these',
    );
    tiny({ fusion: createFusion('mlp', { ...sizes, hiddenSize: 9 }) }).dispose();
  });

  test('cuts texts at what is asked for, else at its own length, within what its parts take', () => {
    const model = tiny();
    expect(model.textLength()).toBe(8);
    expect(model.config).not.toHaveProperty('maxLength');
    model.maxLength = 5;
    expect([model.textLength(), model.textLength(undefined)]).toEqual([5, 5]);
    expect([model.textLength(3), model.textLength(7), model.textLength(100)]).toEqual([3, 7, 8]);
    model.maxLength = 100;
    expect(model.textLength()).toBe(8);
    for (const wrong of [1, 2.5, Number.NaN, null as unknown as number]) {
      expect(() => (model.maxLength = wrong)).toThrow('maxLength must be an integer >= 2, got');
    }
    model.maxLength = undefined;
    expect(model.textLength()).toBe(8);
    model.dispose();
    const before = tf.memory().numTensors;
    expect(() => tiny({ maxLength: 0 })).toThrow('maxLength must be an integer >= 2, got 0');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('two models live side by side, and one seed makes them equal', async () => {
    const [a, b, c] = [tiny(), tiny(), tiny({ seed: 1 })];
    const given = inputs();
    const run = (model: BertResNetModel): Promise<number[]> => take(model.forward(given));
    expect(await run(b)).toEqual(await run(a));
    expect(await run(c)).not.toEqual(await run(a));
    a.dispose();
    a.dispose();
    expect((await run(b)).every(Number.isFinite)).toBe(true);
    free(given);
    b.dispose();
    c.dispose();
  });

  test('a frozen encoder evaluates, keeps its statistics and gets no gradient', async () => {
    const model = tiny();
    const given = inputs();
    model.freeze({ image: true });
    const statistic = model.namedBuffers().get('visual_encoder.bn1.running_mean')!;
    const context = { training: true, random: new DropoutSource(1, 1) };
    const before = [...(await statistic.data())];
    const [trained, evaluated] = [model.encode(given, context), model.encode(given)];
    expect(await take(trained.image!)).toEqual(await take(evaluated.image!));
    expect([...(await statistic.data())]).toEqual(before);
    const trainable = model.trainableParameters();
    model.namedParameters().get('visual_encoder.conv1.weight')!.trainable = true; // none arrives even so
    expect([...trainable.keys()].some((name) => name.startsWith('visual_encoder'))).toBe(false);
    const loss = (): tf.Scalar => tf.sum(tf.square(model.forward(given, { training: true })));
    const { value, grads } = tf.variableGrads(loss, [...model.namedParameters().values()]);
    const names = [...model.namedParameters()]
      .filter(([, variable]) => grads[variable.name] instanceof tf.Tensor)
      .map(([name]) => name);
    expect(names.some((name) => name.startsWith('visual_encoder'))).toBe(false);
    expect(names).toEqual(
      expect.arrayContaining(['mlp_both.fc1.weight', 'text_encoder.embeddings.LayerNorm.bias']),
    );
    model.freeze({ image: false });
    tf.dispose(model.forward(given, { training: true }));
    expect([...(await statistic.data())]).not.toEqual(before);
    tf.dispose([trained.text!, evaluated.text!, value, grads]);
    free(given);
    model.dispose();
  });

  test('dropout differs from pass to pass, and two runs are equal', async () => {
    const given = inputs();
    const passes = async (): Promise<number[][]> => {
      const model = tiny();
      const run = (): Promise<number[]> =>
        take(model.forward({ text: given.text }, { training: true }));
      const logits = [await run(), await run()];
      model.dispose();
      return logits;
    };
    const [first, second] = [await passes(), await passes()];
    expect(second).toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
    free(given);
  });

  test('a map is flattened in the order of PyTorch, and its size must be the one that was named', async () => {
    const encoder = new ResNetFeatureModel({
      config: image,
      outputLayer: 'layer4',
      imageSize: [40, 33],
    });
    const model = tiny({ image: encoder });
    const given = inputs();
    const maps = encoder.forward(given.image, { training: false });
    const [batch, height, width, channels] = maps.shape as [number, number, number, number];
    const values = await take(maps);
    const features = await take(model.encode({ image: given.image }).image!);
    const at = (n: number, c: number, y: number, x: number): number =>
      values[((n * height + y) * width + x) * channels + c]!;
    expect(features[(1 * channels + 2) * height * width + 1 * width + 1]).toBe(at(1, 2, 1, 1));
    expect(features.length).toBe(batch * encoder.featureSize);
    const larger = tf.zeros<tf.Rank.R4>([1, 80, 80, 3]);
    expect(() => model.forward({ image: larger })).toThrow(/must give 32 features a row, got 72/);
    free(given);
    larger.dispose();
    model.dispose();
  });

  test('a plain TensorFlow.js optimizer trains it', async () => {
    const model = tiny();
    const given = inputs();
    const targets = tf.eye(3);
    const optimizer = tf.train.adam(0.01);
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) {
      const loss = optimizer.minimize(
        () =>
          tf.losses.softmaxCrossEntropy(
            targets,
            model.forward(given, { training: true }),
          ) as tf.Scalar,
        true,
        [...model.trainableParameters().values()],
      );
      losses.push((await loss!.data())[0]!);
      loss!.dispose();
    }
    expect(losses.at(-1)).toBeLessThan(losses[0]! * 0.7);
    optimizer.dispose();
    targets.dispose();
    free(given);
    model.dispose();
  });
});
