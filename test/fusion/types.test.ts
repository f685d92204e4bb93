import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { InputError } from '../../src/errors.js';
import { modes } from '../../src/fusion/fusion.js';
import { checkFusion, createFusion, fusionTypes } from '../../src/fusion/index.js';
import { BertResNetModel } from '../../src/model.js';
import type { ModelInput, ModelOptions } from '../../src/modelOptions.js';
import { DropoutSource } from '../../src/nn/dropout.js';
import { describeBackends, take } from '../backends.js';

const types = fusionTypes();
const labels = ['bad', 'good', 'ugly'];
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
  hiddenSizes: [3, 6],
  depths: [1, 1],
  layerType: 'basic',
} as const;
/** Those that attend are wide by default: small ones will do. */
const small = { dim: 8, heads: 2 };
const smaller: Readonly<Record<string, object>> = {
  'cross-attention': small,
  transformer: small,
  bottleneck: small,
};
const tiny = (options: Partial<ModelOptions>): BertResNetModel =>
  new BertResNetModel({ labels, text, image, hiddenSize: 6, ...options });

/** Rows of which all but the first end in padding. */
function inputs(rows: number): Required<ModelInput> {
  const ids = Int32Array.from({ length: rows * 4 }, (_, i) => (i * 7) % 11);
  const mask = ids.map((_, i) => (i % 4 < 4 - Math.floor(i / 4) ? 1 : 0));
  const pixels = Float32Array.from({ length: rows * 12 * 10 * 3 }, (_, i) => Math.sin(i * 0.37));
  return {
    text: {
      inputIds: tf.tensor2d(ids, [rows, 4], 'int32'),
      attentionMask: tf.tensor2d(mask, [rows, 4], 'int32'),
    },
    image: tf.tensor4d(pixels, [rows, 12, 10, 3]),
  };
}

const free = (given: Required<ModelInput>): void => tf.dispose([{ ...given.text }, given.image]);

/** The logits of every mode. */
async function answers(model: BertResNetModel, given: ModelInput): Promise<number[][]> {
  const all = [];
  for (const mode of modes) all.push(await take(model.forward(given, { mode })));
  return all;
}

/** The fusion's own parameters, by name. */
async function parametersOf({ fusion }: BertResNetModel): Promise<Record<string, number[]>> {
  const named = [...fusion.namedParameters()];
  const values = await Promise.all(named.map(([, variable]) => variable.data()));
  return Object.fromEntries(named.map(([name], i) => [name, [...values[i]!]]));
}

describeBackends('every fusion', () => {
  test.each(types)(
    '%s answers each mode, a row alone too, and leaves nothing behind',
    async (type) => {
      const model = tiny({ fusion: type });
      const before = tf.memory().numTensors;
      for (const rows of [1, 3]) {
        const given = inputs(rows);
        for (const logits of await answers(model, given)) {
          expect(logits).toHaveLength(rows * labels.length);
          expect(logits.every(Number.isFinite)).toBe(true);
        }
        free(given);
      }
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    },
  );

  test.each(types)('%s: every parameter gets a gradient, all finite', async (type) => {
    const model = tiny({ fusion: { type, ...smaller[type] } });
    const given = inputs(3);
    const parameters = [...model.namedParameters()];
    const loss = (): tf.Scalar =>
      tf.addN(
        modes.map((mode) => tf.sum(tf.square(model.forward(given, { mode, training: true })))),
      ) as tf.Scalar;
    const { value, grads } = tf.variableGrads(
      loss,
      parameters.map(([, variable]) => variable),
    );
    for (const [name, variable] of parameters) {
      const gradient = grads[variable.name] as tf.Tensor | undefined;
      expect(gradient, name).toBeDefined();
      expect((await take(gradient!)).every(Number.isFinite), name).toBe(true);
    }
    value.dispose();
    free(given);
    model.dispose();
  });

  test.each(types)('%s: the seed decides the first weights', async (type) => {
    const models = [1, 1, 2].map((seed) => tiny({ fusion: { type, ...smaller[type] }, seed }));
    const [one, same, other] = await Promise.all(models.map(parametersOf));
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
    models.forEach((model) => model.dispose());
  });

  test.each(types)('%s is saved and loaded with its options', async (type) => {
    const folder = await mkdtemp(join(tmpdir(), 'fusion-'));
    const model = tiny({ fusion: { type, ...optionsOf[type] } });
    await model.save(folder);
    const loaded = await BertResNetModel.fromPretrained(folder);
    expect(loaded.fusion.config).toEqual(model.fusion.config);
    expect(loaded.fusion.config).toMatchObject({ type, ...optionsOf[type] });
    const given = inputs(2);
    expect(await answers(loaded, given)).toEqual(await answers(model, given));
    free(given);
    model.dispose();
    loaded.dispose();
    await rm(folder, { recursive: true });
  });

  test.each(types)(
    '%s refuses an option that it does not know, before anything is made',
    (type) => {
      const before = tf.memory().numTensors;
      const known = `fusion '${type}': unknown option 'depht'; known: `;
      for (const make of [tiny, ({ fusion }: ModelOptions) => checkFusion(fusion as never)]) {
        expect(() => make({ fusion: { type, depht: 3 } })).toThrow(InputError);
        expect(() => make({ fusion: { type, depht: 3 } })).toThrow(known);
      }
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});

/** An option of each type that is not its default, where it has any. */
const optionsOf: Readonly<Record<string, object>> = {
  sum: { dim: 5, dropout: 0.5 },
  product: { dim: 5 },
  max: { dim: 5 },
  gmu: { dim: 5 },
  'gated-residual': { base: 'text' },
  film: { condition: 'image' },
  mlb: { activation: 'relu', normalize: true },
  mfb: { factor: 2 },
  mfh: { factor: 2 },
  mutan: { rank: 2 },
  block: { chunks: 4, rank: 3 },
  'tensor-fusion': { dim: 3 },
  'low-rank': { rank: 2 },
  'squeeze-excitation': { ratio: 2.5 },
  'product-of-experts': { prior: [0.5, 0.25, 0.25] },
  qmf: { temperature: 3, regularization: 0 },
  evidential: { annealing: 4 },
  'cross-attention': { dim: 6, heads: 3 },
  transformer: { dim: 6, heads: 3, layers: 1 },
  bottleneck: { dim: 6, heads: 3, layers: 1, bottlenecks: 2 },
  mmbt: { dropout: 0 },
};

const sizes = { textSize: 4, imageSize: 5, hiddenSize: 6, classes: 2 };

describeBackends('options of fusions', () => {
  test.each([
    [{ type: 'mlb', dim: 0 }, "fusion 'mlb': dim must be at least 1, got 0"],
    [{ type: 'mlb', dim: 1.5 }, "fusion 'mlb': dim must be an integer, got 1.5"],
    [
      { type: 'mfb', activation: 'gelu' },
      `fusion 'mfb': activation must be one of "none", "relu", "tanh", got "gelu"`,
    ],
    [{ type: 'gmu', dropout: 1 }, "fusion 'gmu': dropout must be below 1, got 1"],
    [
      { type: 'film', condition: 'both' },
      `fusion 'film': condition must be one of "text", "image", got "both"`,
    ],
    [
      { type: 'product-of-experts', prior: [1, 0] },
      "fusion 'product-of-experts': prior.1 must be above 0, got 0",
    ],
    [
      { type: 'product-of-experts', prior: [1, 1, 1] },
      "fusion 'product-of-experts': prior must have a number for each of 2 classes, got 3",
    ],
    [{ type: 'mlp', dim: 3 }, "fusion 'mlp': unknown option 'dim'; known: none"],
  ])('%j is refused', (config, message) => {
    expect(() => createFusion(config, sizes)).toThrow(InputError);
    expect(() => createFusion(config, sizes)).toThrow(message);
  });

  test('dropout drops in training alone, by seed', async () => {
    const fusion = createFusion({ type: 'sum', dropout: 0.5 }, { ...sizes, hiddenSize: 64 });
    const features = { text: tf.ones<tf.Rank.R2>([1, 4]), image: tf.ones<tf.Rank.R2>([1, 5]) };
    const run = (training: boolean, seed: number): Promise<number[]> =>
      take(
        fusion.forward(features, { mode: 'both', training, random: new DropoutSource(seed, 0) }),
      );
    expect(await run(false, 1)).toEqual(await run(false, 2));
    expect(await run(true, 1)).toEqual(await run(true, 1));
    expect(await run(true, 1)).not.toEqual(await run(true, 2));
    tf.dispose([{ ...features }]);
    fusion.dispose();
  });

  test('block cuts a vector into chunks of one size, the last what is left', () => {
    const shapes = (config: object): string[] => {
      const fusion = createFusion({ type: 'block', ...config }, sizes);
      const found = [...fusion.namedParameters()].flatMap(([name, { shape }]) =>
        /linears0.*weight/.test(name) ? [shape.join(' x ')] : [],
      );
      fusion.dispose();
      return found;
    };
    expect(shapes({ dim: 7, chunks: 3, rank: 2 })).toEqual(['6 x 3', '6 x 3', '2 x 1']);
    expect(shapes({ dim: 2, chunks: 3, rank: 2 })).toEqual(['2 x 1', '2 x 1']);
  });
});
