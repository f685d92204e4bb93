import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { optionName } from '../../src/cli/options.js';
import { options } from '../../src/cli/trainOptions.js';
import type { TrainValues } from '../../src/cli/trainOptions.js';
import { bertConfig } from '../../src/encoders/bertConfig.js';
import { resNetConfig } from '../../src/encoders/resnetConfig.js';
import { resolveOptions } from '../../src/training/options.js';
import { notebookAugmentation, notebookRecipe } from '../../src/index.js';
import type { TrainerOptions } from '../../src/index.js';
import { bertresnet } from './workspace.js';

/** What the parts of the library were given, by the part. */
type Told = Record<string, Readonly<Record<string, unknown>>>;

const seen = vi.hoisted(() => ({ told: {} as Told, record: {} as unknown }));

vi.mock('../../src/cli/trainReport.node.js', async (original) => ({
  ...(await original<object>()),
  reportRun: ({ task }: { task: { values: TrainValues } }) => {
    seen.told.ending = { report: task.values.noReport !== true };
    return Promise.resolve();
  },
}));

vi.mock('../../src/index.js', async (original) => {
  const { told } = seen;
  const rows = {
    ...{ name: 'rows.csv', size: 10, labels: ['bad', 'good'], labelCounts: [5, 5], reasons: {} },
    ...{
      roles: { text: 'text', image: 'image', label: 'label' },
      excluded: 0,
      skipped: 0,
      incomplete: 0,
    },
  };
  const CsvDataset = {
    open(path: string, given: object) {
      told[told.rows === undefined ? 'rows' : 'validation'] = { path, ...given };
      return Promise.resolve(rows);
    },
  };
  const split = (_: unknown, shares: number[], given: object) => {
    told.heldOut = { shares, ...given };
    return Promise.resolve([rows, rows]);
  };
  /** A pretrained part stands for itself: what it was made from. */
  const partFrom = (part: string) => ({
    fromPretrained: (source: string, given: object = {}) =>
      Promise.resolve({ [part]: source, ...given, vocabSize: 30 }),
  });
  class ImageProcessor {
    constructor(readonly given: object = {}) {}
  }
  class BertResNetModel {
    readonly labels = rows.labels;
    readonly extractors = {};
    readonly namedParameters = () => new Map();
    constructor(parts: object) {
      told.model = { ...parts, weights: 'random' };
    }
    static create(parts: object) {
      const model = new BertResNetModel(parts);
      told.model = { ...parts, weights: 'pretrained' };
      return Promise.resolve(model);
    }
    static fromPretrained(saved: string) {
      return Promise.resolve(new BertResNetModel({ saved }));
    }
  }
  class Trainer {
    readonly options = {};
    constructor(_: unknown, { record, progress: _p, onWarning: _w, ...given }: TrainerOptions) {
      told.trainer = { ...given };
      seen.record = record;
    }
    async fit() {
      const { outputDir } = told.trainer as { outputDir: string };
      await mkdir(join(outputDir, 'model'), { recursive: true });
      await writeFile(join(outputDir, 'model', 'model.safetensors'), '');
      await writeFile(join(outputDir, 'config.json'), JSON.stringify(seen.record));
      return [];
    }
  }
  const useBackend = (backend: string, { threads, executionProvider }: Record<string, unknown>) => {
    told.engine = { backend, threads, executionProvider };
    return Promise.resolve(backend);
  };
  return {
    ...(await original<object>()),
    ...{ CsvDataset, split, ImageProcessor, BertResNetModel, Trainer, useBackend },
    BertEncoder: partFrom('bert'),
    BertTokenizer: partFrom('tokenizer'),
  };
});

const folder = await mkdtemp(join(tmpdir(), 'train-options-'));
const at = (...names: string[]): string => join(folder, ...names);
await writeFile(at('val.csv'), '');
await writeFile(at('rows.csv'), '');
await writeFile(at('changes.json'), '{"horizontalFlip":0.25}');
await mkdir(at('begun'));
const begun = { command: { train: '../rows.csv', epochs: 7 } };
await writeFile(at('begun', 'config.json'), JSON.stringify(begun));
afterAll(() => rm(folder, { recursive: true }));

/** Runs `train` with these words behind its rows. */
async function toldOf(line: string): Promise<Told> {
  for (const part of Object.keys(seen.told)) delete seen.told[part];
  const place = /--(out|resume) /.test(line) ? [] : ['--out', at('run')];
  const words = line === '' ? [] : line.split(' ');
  const [, out = at('run')] = / ?--out (\S+)/.exec(line) ?? [];
  if (!words.includes('--resume')) await rm(out, { recursive: true, force: true });
  const { code, stdout, stderr } = await bertresnet(['train', at('rows.csv'), ...place, ...words]);
  expect(code, stderr).toBe(0);
  const { ending, ...told } = seen.told;
  return structuredClone({ ...told, ending: { ...ending, json: stdout.startsWith('{') } });
}

/** What is other than it is without the option: by part, what it then was given. */
function changesOf(plain: Told, told: Told): Told {
  const parts = [...new Set([...Object.keys(plain), ...Object.keys(told)])];
  const changes = parts.map((part) => {
    const [before = {}, after = {}] = [plain[part], told[part]];
    const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    const other = fields.filter((field) => !isDeepStrictEqual(before[field], after[field]));
    return [part, Object.fromEntries(other.map((field) => [field, after[field]]))] as const;
  });
  return Object.fromEntries(changes.filter(([, fields]) => Object.keys(fields).length > 0));
}

/** The words of a command line, and all that they change. */
type Case = readonly [string, Told];

const trainer = (fields: TrainerOptions): Told => ({ trainer: { ...fields } });
const pooled = (pooling: unknown) => ({
  ...{ bert: 'google-bert/bert-base-uncased', vocabSize: 30 },
  pooling,
});
const validation = { labels: ['bad', 'good'], text: 'text', image: 'image' };
const unsplit = { shares: undefined, seed: undefined };
const scratch = '--scratch --tokenizer vocab.txt';
const random = {
  ...{ weights: 'random', text: { ...bertConfig('bert-base-uncased'), vocabSize: 30 } },
  ...{ tokenizer: { tokenizer: 'vocab.txt', vocabSize: 30 }, image: 'resnet50' },
  processor: { given: {} },
};

const table: Readonly<Record<keyof TrainValues, readonly Case[]>> = {
  val: [
    [
      `--val ${at('val.csv')}`,
      { heldOut: unsplit, validation: { path: at('val.csv'), ...validation } },
    ],
  ],
  valFraction: [
    ['--val-fraction 0.5', { heldOut: { shares: [0.5, 0.5] } }],
    ['--val-fraction 0', { heldOut: unsplit }],
  ],
  exclude: [[`--exclude ${at('val.csv')}`, { rows: { exclude: at('val.csv') } }]],
  textColumn: [['--text-column said', { rows: { text: 'said' } }]],
  imageColumn: [['--image-column none', { rows: { image: null } }]],
  badRows: [['--bad-rows missing', { rows: { onBadRow: 'missing' } }]],
  allowOutside: [['--allow-outside', { rows: { allowOutside: true } }]],
  labelColumn: [['--label-column mood', { rows: { label: 'mood' } }]],
  text: [
    [
      '--text some/bert',
      {
        model: {
          text: { bert: 'some/bert', vocabSize: 30 },
          tokenizer: { tokenizer: 'some/bert', vocabSize: 30 },
        },
      },
    ],
    [
      `${scratch} --text bert-tiny`,
      { model: { ...random, text: { ...bertConfig('bert-tiny'), vocabSize: 30 } } },
    ],
  ],
  image: [
    ['--image resnet18', { model: { image: 'resnet18' } }],
    [`${scratch} --image resnet18`, { model: { ...random, image: 'resnet18' } }],
  ],
  scratch: [[scratch, { model: random }]],
  tokenizer: [
    [
      '--tokenizer some/words',
      { model: { tokenizer: { tokenizer: 'some/words', vocabSize: 30 } } },
    ],
  ],
  imageSize: [['--image-size 96', { model: { processor: { given: { size: 96 } } } }]],
  imagePooling: [
    ['--image-pooling max', { model: { pooling: { image: 'max' } } }],
    ['--image-pooling mean,max', { model: { pooling: { image: ['mean', 'max'] } } }],
    [
      `${scratch} --image-pooling max`,
      { model: { ...random, image: { ...resNetConfig('resnet50'), pooling: 'max' } } },
    ],
  ],
  pooling: [
    ['--pooling mean', { model: { text: pooled('mean') } }],
    ['--pooling cls,max', { model: { text: pooled(['cls', 'max']) } }],
  ],
  fusion: [
    ['--fusion gmu', { model: { fusion: 'gmu' } }],
    ['--fusion {"type":"mlb","dim":64}', { model: { fusion: { type: 'mlb', dim: 64 } } }],
  ],
  hiddenSize: [['--hidden-size 64', { model: { hiddenSize: 64 } }]],
  notebook: [
    ['--notebook', { ...trainer(notebookRecipe().training), model: { processor: { given: {} } } }],
    [
      '--notebook --batch-size 8 --warmup 0.2',
      {
        ...trainer({
          ...notebookRecipe().training,
          batchSize: 8,
          warmupRatio: 0.2,
          warmupSteps: undefined,
        }),
        ...{ model: { processor: { given: {} } } },
      },
    ],
  ],
  mode: [['--mode text', trainer({ mode: 'text' })]],
  epochs: [['--epochs 3', trainer({ epochs: 3 })]],
  batchSize: [['--batch-size 3', trainer({ batchSize: 3 })]],
  accumulate: [['--accumulate 3', trainer({ gradientAccumulationSteps: 3 })]],
  learningRate: [['--learning-rate 0.5', trainer({ learningRate: 0.5 })]],
  textLearningRate: [['--text-learning-rate 0.5', trainer({ textLearningRate: 0.5 })]],
  imageLearningRate: [['--image-learning-rate 0.5', trainer({ imageLearningRate: 0.5 })]],
  headLearningRate: [['--head-learning-rate 0.5', trainer({ headLearningRate: 0.5 })]],
  layerDecay: [['--layer-decay 0.5', trainer({ layerDecay: 0.5 })]],
  schedule: [['--schedule linear', trainer({ schedule: 'linear' })]],
  warmup: [['--warmup 0.5', trainer({ warmupRatio: 0.5 })]],
  warmupSteps: [['--warmup-steps 3', trainer({ warmupSteps: 3 })]],
  weightDecay: [['--weight-decay 0.5', trainer({ weightDecay: 0.5 })]],
  decay: [['--decay all', trainer({ decay: 'all' })]],
  beta1: [['--beta1 0.5', trainer({ beta1: 0.5 })]],
  beta2: [['--beta2 0.5', trainer({ beta2: 0.5 })]],
  epsilon: [['--epsilon 0.5', trainer({ epsilon: 0.5 })]],
  maxGradNorm: [['--max-grad-norm 0', trainer({ maxGradNorm: 0 })]],
  labelSmoothing: [['--label-smoothing 0.5', trainer({ labelSmoothing: 0.5 })]],
  classWeights: [
    ['--class-weights balanced', trainer({ classWeights: 'balanced' })],
    ['--class-weights bad=2,a=b=0.5', trainer({ classWeights: { bad: 2, 'a=b': 0.5 } })],
  ],
  focal: [['--focal 2', trainer({ focalGamma: 2 })]],
  rDrop: [['--r-drop 2', trainer({ rDrop: 2 })]],
  mixup: [['--mixup 0.5', trainer({ mixup: 0.5 })]],
  imageSwap: [['--image-swap 0.5', trainer({ imageSwap: 0.5 })]],
  augment: [
    ['--augment crop', trainer({ augment: notebookAugmentation })],
    [`--augment ${at('changes.json')}`, trainer({ augment: { horizontalFlip: 0.25 } })],
    ['--augment none', {}],
  ],
  freeze: [
    ['--freeze text', trainer({ freeze: { text: true, image: false } })],
    ['--freeze image', trainer({ freeze: { text: false, image: true } })],
    ['--freeze both', trainer({ freeze: { text: true, image: true } })],
  ],
  freezeEpochs: [
    ['--freeze text --freeze-epochs 2', trainer({ freeze: { text: 2, image: false } })],
  ],
  freezeParameters: [
    ['--freeze-parameters a.*,*.b', trainer({ freeze: { parameters: ['a.*', '*.b'] } })],
  ],
  unfreeze: [['--unfreeze 2', trainer({ gradualUnfreezing: 2 })]],
  ema: [['--ema 0.5', trainer({ ema: 0.5 })]],
  soup: [['--soup 3', trainer({ soup: 3 })]],
  patience: [['--patience 3', trainer({ earlyStopping: { patience: 3 } })]],
  minDelta: [
    ['--patience 3 --min-delta 0.5', trainer({ earlyStopping: { patience: 3, minDelta: 0.5 } })],
  ],
  auxiliary: [['--auxiliary 0.5', trainer({ auxiliary: { weight: 0.5 } })]],
  modalityDropout: [
    ['--modality-dropout 0.5', trainer({ modalityDropout: 0.5 })],
    ['--modality-dropout text=0.5', trainer({ modalityDropout: { text: 0.5 } })],
    ['--modality-dropout image=0.2', trainer({ modalityDropout: { image: 0.2 } })],
    [
      '--modality-dropout text=0.5,image=0.2',
      trainer({ modalityDropout: { text: 0.5, image: 0.2 } }),
    ],
  ],
  modulate: [['--modulate', trainer({ gradientModulation: {} })]],
  auxiliaryDetached: [
    ['--auxiliary-detached', trainer({ auxiliary: { reachEncoders: false } })],
    [
      '--auxiliary-detached --auxiliary 2',
      trainer({ auxiliary: { weight: 2, reachEncoders: false } }),
    ],
  ],
  lora: [['--lora 4', trainer({ lora: { r: 4 } })]],
  loraAlpha: [['--lora 4 --lora-alpha 16', trainer({ lora: { r: 4, alpha: 16 } })]],
  loraDropout: [['--lora 4 --lora-dropout 0.5', trainer({ lora: { r: 4, dropout: 0.5 } })]],
  loraTargets: [
    [
      '--lora 4 --lora-targets query,key',
      trainer({ lora: { r: 4, targetModules: ['query', 'key'] } }),
    ],
  ],
  keepAdapter: [['--lora 4 --keep-adapter', trainer({ lora: { r: 4, keepAdapter: true } })]],
  maxLength: [['--max-length 32', trainer({ maxLength: 32 })]],
  ungrouped: [['--ungrouped', trainer({ groupByLength: false })]],
  monitor: [['--monitor macroF1', trainer({ monitor: 'macroF1' })]],
  seed: [['--seed 7', { ...trainer({ seed: 7 }), model: { seed: 7 }, heldOut: { seed: 7 } }]],
  config: [[`--config ${at('begun', 'config.json')}`, trainer({ epochs: 7 })]],
  out: [[`--out ${at('other')}`, trainer({ outputDir: at('other') })]],
  resume: [
    [`--resume ${at('begun')}`, trainer({ epochs: 7, outputDir: at('begun'), resume: true })],
  ],
  overwrite: [['--overwrite', trainer({ overwrite: true })]],
  gradientCheckpointing: [['--gradient-checkpointing', trainer({ gradientCheckpointing: true })]],
  cacheFeatures: [
    ['--cache-features', trainer({ cacheFeatures: true })],
    [`--cache-features ${at('kept')}`, trainer({ cacheFeatures: at('kept') })],
  ],
  checkpointMinutes: [['--checkpoint-minutes 0.5', trainer({ checkpointMinutes: 0.5 })]],
  checkpointSteps: [['--checkpoint-steps 3', trainer({ checkpointSteps: 3 })]],
  evalBatchSize: [['--eval-batch-size 3', trainer({ evalBatchSize: 3 })]],
  tensorboard: [['--tensorboard', trainer({ tensorboard: true })]],
  noReport: [['--no-report', { ending: { report: false } }]],
  json: [['--json', { ending: { json: true } }]],
  backend: [['--backend wasm', { engine: { backend: 'wasm' } }]],
  executionProvider: [
    [
      '--execution-provider cuda',
      { engine: { backend: 'onnxruntime', executionProvider: 'cuda' } },
    ],
  ],
  threads: [['--threads 3', { engine: { threads: 3 } }]],
};

/** What is of one call of the command, and so not kept for another. */
const ofTheCall: readonly (keyof TrainValues)[] = ['config', 'out', 'resume', 'overwrite', 'json'];

const names = Object.keys(options) as (keyof TrainValues)[];
const cases = names.flatMap((name) =>
  (table[name] ?? []).map(([line, wanted]) => ({
    name,
    line,
    wanted,
    shown: line.replaceAll(`${folder}/`, ''),
  })),
);
const plain = await toldOf('');

describe('the options of train', () => {
  it('are all in the table', () => {
    expect(Object.keys(table).toSorted()).toEqual(names.toSorted());
  });

  it.each(cases)('$shown', async ({ name, line, wanted }) => {
    expect(line).toMatch(new RegExp(`--${optionName(name)}( |$)`));
    const told = await toldOf(line);
    expect(changesOf(plain, told)).toEqual(wanted);
    expect(() => resolveOptions(told.trainer!)).not.toThrow();
  });
});

describe('options of several numbers', () => {
  const read = async (...words: string[]) => {
    const { code, stderr } = await bertresnet([
      'train',
      at('rows.csv'),
      '--out',
      at('refused'),
      ...words,
    ]);
    return { code, stderr };
  };

  it.each([
    ...[
      'text=2',
      'foo=0.1',
      'text=',
      '=0.1',
      'text',
      'text=0.1,',
      'text=0.1;image=0.1',
      '2',
      '-0.1',
    ],
    ...['text=-0.1', 'text=x', 'text=0.1,text=0.2', 'text=0.6,image=0.6', 'text=Infinity'],
  ])('--modality-dropout %s is refused', async (given) => {
    expect(await read(`--modality-dropout=${given}`)).toEqual({
      code: 2,
      stderr:
        'bertresnet: train: --modality-dropout takes a number from 0 to 1, or text=X,image=X ' +
        `(one of them or all, each once) whose sum is at most 1, got '${given}'`,
    });
  });

  it.each(['good', '12', 'good=', 'good=0', '=1', 'good=1,good=2', 'good=1,,bad=2'])(
    '--class-weights %s is refused',
    async (given) => {
      const { code, stderr } = await read('--class-weights', given);
      expect(code).toBe(2);
      expect(stderr).toContain('with each label once and numbers above 0');
      expect(stderr).toContain(`got '${given}'`);
    },
  );
});

describe('config.json', () => {
  const kept = cases.filter(({ name }) => !ofTheCall.includes(name));

  it.each(kept)('keeps $shown', async ({ line }) => {
    const first = await toldOf(`${line} --out ${at('first')}`);
    const again = await toldOf(`--config ${at('first', 'config.json')} --out ${at('again')}`);
    expect(changesOf(first, again)).toEqual(trainer({ outputDir: at('again') }));
    // A run that goes on finds its model beside it.
    const resumed = await toldOf(`--resume ${at('first')}`);
    const { model: _, ...changes } = changesOf(first, resumed);
    expect(changes).toEqual(trainer({ resume: true }));
    expect(await toldOf(`${line} --resume ${at('first')}`)).toEqual(resumed);
  });
});
