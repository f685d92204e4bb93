import { readFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.js';
import {
  fromNotebookNames,
  normalizeNames,
  toHuggingFaceNames,
  toNotebookNames,
} from '../../src/weights/names.js';

interface Geometry {
  readonly depths: readonly number[];
  /** Convolutions in a block: 2 (basic) or 3 (bottleneck). */
  readonly steps: number;
  /** Whether a block has a shortcut of its own. */
  readonly hasShortcut: (stage: number, block: number) => boolean;
}

const norm = ['weight', 'bias', 'running_mean', 'running_var'];
const geometries: fc.Arbitrary<Geometry> = fc
  .record({
    depths: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
    steps: fc.constantFrom(2, 3),
    every: fc.boolean(),
  })
  .map(({ depths, steps, every }) => ({
    depths,
    steps,
    hasShortcut: (_, block) => every || block === 0,
  }));

/** What stands at each place of a ResNet, by a function that names a layer. */
function resNetNames(
  { depths, steps, hasShortcut }: Geometry,
  name: {
    stem: (kind: 'conv' | 'norm') => string;
    step: (stage: number, block: number, step: number, kind: 'conv' | 'norm') => string;
    shortcut: (stage: number, block: number, kind: 'conv' | 'norm') => string;
  },
  statistics: readonly string[] = norm,
): string[] {
  const pair = (layer: (kind: 'conv' | 'norm') => string): string[] => [
    `${layer('conv')}.weight`,
    ...statistics.map((part) => `${layer('norm')}.${part}`),
  ];
  const blocks = depths.flatMap((depth, stage) =>
    Array.from({ length: depth }, (_, block) => [stage, block] as const),
  );
  return [
    ...pair(name.stem),
    ...blocks.flatMap(([stage, block]) => [
      ...Array.from({ length: steps }, (_, i) =>
        pair((kind) => name.step(stage, block, i, kind)),
      ).flat(),
      ...(hasShortcut(stage, block) ? pair((kind) => name.shortcut(stage, block, kind)) : []),
    ]),
  ];
}

/** torchvision.models.resnet: these are ours, and timm's. */
const torchvision = (geometry: Geometry, statistics?: readonly string[]): string[] =>
  resNetNames(
    geometry,
    {
      stem: (kind) => (kind === 'conv' ? 'conv1' : 'bn1'),
      step: (stage, block, step, kind) =>
        `layer${stage + 1}.${block}.${kind === 'conv' ? 'conv' : 'bn'}${step + 1}`,
      shortcut: (stage, block, kind) =>
        `layer${stage + 1}.${block}.downsample.${kind === 'conv' ? 0 : 1}`,
    },
    statistics,
  );

/** transformers.ResNetModel. */
const huggingFace = (geometry: Geometry, statistics?: readonly string[]): string[] => {
  const layer = { conv: 'convolution', norm: 'normalization' };
  return resNetNames(
    geometry,
    {
      stem: (kind) => `embedder.embedder.${layer[kind]}`,
      step: (stage, block, step, kind) =>
        `encoder.stages.${stage}.layers.${block}.layer.${step}.${layer[kind]}`,
      shortcut: (stage, block, kind) =>
        `encoder.stages.${stage}.layers.${block}.shortcut.${layer[kind]}`,
    },
    statistics,
  );
};

/** torch.nn.Sequential(*torchvision's children), as the attribute `net`. */
const sequential = (geometry: Geometry, statistics?: readonly string[]): string[] =>
  resNetNames(
    geometry,
    {
      stem: (kind) => (kind === 'conv' ? 'net.0' : 'net.1'),
      step: (stage, block, step, kind) =>
        `net.${stage + 4}.${block}.${kind === 'conv' ? 'conv' : 'bn'}${step + 1}`,
      shortcut: (stage, block, kind) =>
        `net.${stage + 4}.${block}.downsample.${kind === 'conv' ? 0 : 1}`,
    },
    statistics,
  );

/** transformers.BertModel without its pooler. */
const bert = (layers: number): string[] => [
  'embeddings.word_embeddings.weight',
  'embeddings.position_embeddings.weight',
  'embeddings.token_type_embeddings.weight',
  'embeddings.LayerNorm.weight',
  'embeddings.LayerNorm.bias',
  ...Array.from({ length: layers }, (_, i) =>
    [
      'attention.self.query',
      'attention.self.key',
      'attention.self.value',
      'attention.output.dense',
      'attention.output.LayerNorm',
      'intermediate.dense',
      'output.dense',
      'output.LayerNorm',
    ].flatMap((name) => ['weight', 'bias'].map((part) => `encoder.layer.${i}.${name}.${part}`)),
  ).flat(),
];

/** The values tell where each name came from. */
const dictOf = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries(names.map((name, i) => [name, i]));
const prefixed = (prefix: string, names: readonly string[]): string[] =>
  names.map((name) => prefix + name);

describe('the names of a ResNet', () => {
  test.each([
    ['its own', torchvision, ''],
    ["Hugging Face's", huggingFace, ''],
    ["Hugging Face's with a head", huggingFace, 'resnet.'],
    ["the notebook's", sequential, ''],
  ])('%s become ours, value by value', (_, dialect, prefix) => {
    fc.assert(
      fc.property(geometries, (geometry) => {
        const theirs = dictOf(prefixed(prefix, dialect(geometry)));
        expect(normalizeNames(theirs, 'image')).toEqual(dictOf(torchvision(geometry)));
      }),
    );
  });

  test('there and back is the identity', () => {
    fc.assert(
      fc.property(geometries, (geometry) => {
        const ours = dictOf(torchvision(geometry));
        const theirs = toHuggingFaceNames(ours);
        expect(theirs).toEqual(dictOf(huggingFace(geometry)));
        expect(normalizeNames(theirs, 'image')).toEqual(ours);
        expect(toHuggingFaceNames(normalizeNames(theirs, 'image'))).toEqual(theirs);
      }),
    );
  });

  test('counters and heads are left out', () => {
    const geometry = { depths: [1, 2], steps: 3, hasShortcut: () => true };
    const counted = [...norm, 'num_batches_tracked'];
    for (const [dialect, head] of [
      [torchvision, ['fc.weight', 'fc.bias']],
      [huggingFace, ['classifier.1.weight', 'classifier.1.bias']],
      [sequential, ['net.0.num_batches_tracked']],
    ] as const) {
      const names = Object.keys(
        normalizeNames(dictOf([...dialect(geometry, counted), ...head]), 'image'),
      );
      expect(names).toEqual(torchvision(geometry));
    }
  });

  test.each([
    'layer0.0.conv1.weight',
    'net.2.weight',
    'net.3.weight',
    'net.04.0.conv1.weight',
    'net.40x.weight',
  ])("%s is nobody's, and stays to be reported", (name) => {
    expect(normalizeNames({ [name]: 1 }, 'image')).toEqual({ [name]: 1 });
    expect(fromNotebookNames(toNotebookNames({ [name]: 1 }))).toEqual({ [name]: 1 });
  });
});

describe('the names of a BERT', () => {
  const layers = fc.integer({ min: 0, max: 24 });

  test.each(['', 'bert.'])("Hugging Face's after '%s' become ours", (prefix) => {
    fc.assert(
      fc.property(layers, (count) => {
        const theirs = dictOf(prefixed(prefix, bert(count)));
        expect(normalizeNames(theirs, 'text')).toEqual(dictOf(bert(count)));
      }),
    );
  });

  test('gamma and beta become weight and bias, of LayerNorm alone', () => {
    const old = bert(3).map((name) =>
      name
        .replace('LayerNorm.weight', 'LayerNorm.gamma')
        .replace('LayerNorm.bias', 'LayerNorm.beta'),
    );
    expect(old.filter((name) => /gamma|beta/.test(name)).length).toBe(14);
    expect(normalizeNames(dictOf(prefixed('bert.', old)), 'text')).toEqual(dictOf(bert(3)));
    expect(normalizeNames({ 'encoder.beta': 1 }, 'text')).toEqual({ 'encoder.beta': 1 });
  });

  test('constants, poolers and heads are left out', () => {
    const rest = [
      'embeddings.position_ids',
      'bert.embeddings.position_ids',
      'bert.pooler.dense.weight',
      'pooler.dense.bias',
      'cls.predictions.bias',
      'cls.predictions.decoder.weight',
      'cls.seq_relationship.weight',
      'classifier.weight',
      'qa_outputs.bias',
    ];
    expect(normalizeNames(dictOf(rest), 'text')).toEqual({});
  });
});

describe('the names of a model', () => {
  const heads = ['mlp_both.fc1.weight', 'mlp_text.bias', 'cnn.0.weight', 'attention_text.weight'];
  const models = fc
    .tuple(geometries, fc.integer({ min: 0, max: 4 }))
    .map(([geometry, layers]) => (image: (geometry: Geometry) => string[]) => [
      ...prefixed('text_encoder.', bert(layers)),
      ...prefixed('visual_encoder.', image(geometry)),
      ...heads,
    ]);

  test("the notebook's become ours, and ours the notebook's", () => {
    fc.assert(
      fc.property(models, (names) => {
        const [ours, theirs] = [dictOf(names(torchvision)), dictOf(names(sequential))];
        expect(toNotebookNames(ours)).toEqual(theirs);
        expect(fromNotebookNames(theirs)).toEqual(ours);
        expect(normalizeNames(theirs, 'model')).toEqual(ours);
        expect(normalizeNames(ours, 'model')).toEqual(ours);
        expect(normalizeNames(dictOf(names(huggingFace)), 'model')).toEqual(ours);
      }),
    );
  });

  test('what PyTorch saves besides is left out', () => {
    const rest = [
      'text_encoder.pooler.dense.weight',
      'text_encoder.embeddings.position_ids',
      'visual_encoder.net.1.num_batches_tracked',
      'visual_encoder.net.4.0.downsample.1.num_batches_tracked',
    ];
    expect(Object.keys(normalizeNames(dictOf([...rest, ...heads]), 'model'))).toEqual(heads);
  });

  test("a head of the model is none of its encoders'", () => {
    const names = [
      'classifier.weight',
      'fc.weight',
      'pooler.weight',
      'net.0.weight',
      'bert.weight',
    ];
    expect(Object.keys(normalizeNames(dictOf(names), 'model'))).toEqual(names);
  });

  test('names that a custom encoder has are left alone', () => {
    const names = ['text_encoder.pooler.dense.weight', 'visual_encoder.net.0.weight'];
    expect(normalizeNames(dictOf(names), 'model', new Set(names))).toEqual(dictOf(names));
  });
});

describe("the names that transformers' models have", async () => {
  const path = new URL('../fixtures/weights/expected.json', import.meta.url);
  const { names } = JSON.parse(await readFile(path, 'utf8')) as { names: Record<string, string[]> };
  const ours = (model: string, kind: 'text' | 'image'): string[] =>
    Object.keys(normalizeNames(dictOf(names[model]!), kind)).toSorted();

  test.each([
    ['resnet', 3, [1, 2]],
    ['resnetBasicClassifier', 2, [1, 2]],
  ] as const)('%s', (model, steps, narrowed) => {
    const hasShortcut = (stage: number, block: number): boolean =>
      block === 0 && narrowed.some((each) => each === stage);
    const expected = torchvision({ depths: [1, 2, 11], steps, hasShortcut });
    expect(ours(model, 'image')).toEqual(expected.toSorted());
  });

  test.each(['bert', 'bertClassifier', 'bertPreTraining'])('%s', (model) => {
    expect(ours(model, 'text')).toEqual(bert(2).toSorted());
  });
});

test('two names that mean the same are refused', () => {
  const both = { 'bert.embeddings.LayerNorm.gamma': 1, 'embeddings.LayerNorm.weight': 2 };
  expect(() => normalizeNames(both, 'text')).toThrow(InputError);
  expect(() => normalizeNames(both, 'text')).toThrow(
    "'bert.embeddings.LayerNorm.gamma' and 'embeddings.LayerNorm.weight' both mean 'embeddings.LayerNorm.weight'",
  );
});

test('the names of the prototype are names', () => {
  const dict = Object.fromEntries([
    ['__proto__', 1],
    ['toString', 2],
  ]);
  expect(Object.entries(normalizeNames(dict, 'model'))).toEqual([
    ['__proto__', 1],
    ['toString', 2],
  ]);
});
