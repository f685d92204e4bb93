import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCommand } from '../../src/cli/parse.node.js';
import { trainCommand } from '../../src/cli/train.js';
import {
  newTask,
  recordOf,
  resumedTask,
  trainerOptions,
  withConfig,
} from '../../src/cli/trainTask.node.js';

const toldOf = async (line: string) => {
  const { options } = parseCommand(trainCommand, ['rows.csv', ...line.split(' ')]);
  return trainerOptions(await newTask('rows.csv', options));
};

describe('what the trainer is told', () => {
  it('of freezing', async () => {
    expect(await toldOf('--freeze image')).toMatchObject({ freeze: { text: false, image: true } });
    const partly = await toldOf('--freeze both --freeze-epochs 2 --freeze-parameters a.*,*.b');
    expect(partly).toMatchObject({ freeze: { text: 2, image: 2, parameters: ['a.*', '*.b'] } });
    expect(await toldOf('--unfreeze 1')).toMatchObject({ gradualUnfreezing: 1 });
    expect(await toldOf('--epochs 2')).not.toHaveProperty('freeze');
  });

  it('of the loss, the average and the end', async () => {
    expect(await toldOf('--class-weights balanced --focal 2 --layer-decay 0.9')).toMatchObject({
      ...{ classWeights: 'balanced', focalGamma: 2, layerDecay: 0.9 },
    });
    expect(await toldOf('--class-weights good=1,a=b=2.5')).toMatchObject({
      classWeights: { good: 1, 'a=b': 2.5 },
    });
    await expect(toldOf('--class-weights good')).rejects.toThrow("got 'good'");
    await expect(toldOf('--class-weights good=-1')).rejects.toThrow('above 0');
    expect(await toldOf('--ema 0.99 --soup 3 --patience 2')).toMatchObject({
      ...{ ema: 0.99, soup: 3, earlyStopping: { patience: 2 } },
    });
  });
});

describe('what else the trainer is told', () => {
  it('of the optimizer, the warm-up and the end', async () => {
    const words = '--decay all --beta1 0.8 --beta2 0.98 --epsilon 1e-6 --warmup-steps 5';
    expect(await toldOf(words)).toMatchObject({
      ...{ decay: 'all', beta1: 0.8, beta2: 0.98, epsilon: 1e-6, warmupSteps: 5 },
    });
    expect(await toldOf('--patience 2 --min-delta 0.01')).toMatchObject({
      earlyStopping: { patience: 2, minDelta: 0.01 },
    });
    await expect(toldOf('--min-delta 0.01')).rejects.toThrow('needs --patience');
    expect(await toldOf('--eval-batch-size 4 --checkpoint-steps 7')).toMatchObject({
      ...{ evalBatchSize: 4, checkpointSteps: 7 },
    });
  });

  it('of adapters', async () => {
    const words = '--lora 4 --lora-alpha 16 --lora-dropout 0.1 --lora-targets query,key';
    expect(await toldOf(`${words} --keep-adapter`)).toMatchObject({
      lora: { r: 4, alpha: 16, dropout: 0.1, targetModules: ['query', 'key'], keepAdapter: true },
    });
    expect((await toldOf('--lora 4')).lora).toEqual({ r: 4 });
    const off = await newTask('rows.csv', { keepAdapter: false });
    expect(await trainerOptions(off)).not.toHaveProperty('lora');
    await expect(toldOf('--keep-adapter')).rejects.toThrow('--keep-adapter needs --lora');
    await expect(toldOf('--lora-alpha 16')).rejects.toThrow('--lora-alpha needs --lora');
  });

  it('of a fusion with options', () => {
    const read = (value: string) => {
      const { options } = parseCommand(trainCommand, ['rows.csv', '--fusion', value]);
      return (options as { fusion?: string }).fusion;
    };
    expect(read('gmu')).toBe('gmu');
    expect(read('{"type":"mlb","dim":64}')).toBe('{"type":"mlb","dim":64}');
    expect(() => read('{"type":')).toThrow('--fusion is a name or a JSON object');
    expect(() => read('gmo')).toThrow("unknown type 'gmo'; known are mlp");
    expect(() => read('{"type":"mlb","dim":0}')).toThrow('dim');
    expect(() => read('{"dim":3}')).toThrow('name as well, as in {"type":"gmu"}, got {"dim":3}');
  });
});

describe('--config', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'config-'));
    await writeFile(join(folder, 'rows.csv'), 'text,label\n');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const file = (): string => join(folder, 'run', 'config.json');
  const write = async (command: object | undefined): Promise<void> => {
    await mkdir(join(folder, 'run'), { recursive: true });
    await writeFile(file(), JSON.stringify({ formatVersion: 1, command }));
  };

  it('repeats a run with its files where they are, and what is given beside it comes first', async () => {
    const rows = join(folder, 'rows.csv');
    const values = { val: rows, epochs: 3, learningRate: 0.1, noReport: true, fusion: 'gmu' };
    const begun = await newTask(rows, { ...values, out: join(folder, 'run'), json: true });
    await write(await recordOf(begun));
    const out = join(folder, 'other');
    const again = await withConfig({
      train: undefined,
      values: { config: file(), epochs: 4, out },
    });
    expect(again).toEqual({ train: rows, values: { ...values, epochs: 4, out } });
    const other = await withConfig({ train: 'others.csv', values: { config: file() } });
    expect(other.train).toBe('others.csv');
    // What it leaves names the options, not the file that they came from.
    const task = await newTask(again.train, again.values);
    expect(await recordOf(task)).toEqual({
      ...values,
      epochs: 4,
      val: '../rows.csv',
      train: '../rows.csv',
    });
  });

  it('leaves addresses as they are, and finds there what was named as it lies beside the rows', async () => {
    const rows = 'https://example.org/data/rows.csv';
    const out = join(folder, 'run');
    const values = { val: 'http://example.org/val.csv', exclude: 'old.csv', noReport: true };
    const record = await recordOf(await newTask(rows, { ...values, out }));
    const exclude = 'https://example.org/data/old.csv';
    expect(record).toEqual({ ...values, train: rows, exclude });
    await write(record);
    const given = { train: undefined, values: { config: file() } };
    expect(await withConfig(given)).toEqual({ train: rows, values: { ...values, exclude } });
    const resumed = await resumedTask(undefined, { resume: out });
    expect(resumed).toMatchObject({ train: rows, values: { ...values, exclude } });
  });

  it('refuses a file that is none of train, and options that are none', async () => {
    const read = () => withConfig({ train: undefined, values: { config: file() } });
    await expect(read()).rejects.toThrow('there is no such file for --config');
    await write(undefined);
    await expect(read()).rejects.toThrow('was not written by the command line');
    await write({ train: '../rows.csv', ferment: 3 });
    await expect(read()).rejects.toThrow("has the option 'ferment'");
    await write({ train: '../rows.csv', epochs: -3 });
    await expect(read()).rejects.toThrow('epochs of');
    await writeFile(file(), '{');
    await expect(read()).rejects.toThrow('must be JSON');
  });
});

describe('--gradient-checkpointing', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'task-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('reaches the trainer', async () => {
    const { options } = parseCommand(trainCommand, ['rows.csv', '--gradient-checkpointing']);
    const task = await newTask('rows.csv', options);
    expect(await trainerOptions(task)).toMatchObject({ gradientCheckpointing: true });
    const plain = await newTask('rows.csv', {});
    expect(await trainerOptions(plain)).not.toHaveProperty('gradientCheckpointing');
  });

  it('may be given to a run that began without', async () => {
    const rows = join(folder, 'rows.csv');
    await writeFile(rows, 'text,label\n');
    const begun = await newTask(rows, { out: folder, epochs: 3 });
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ command: await recordOf(begun) }),
    );
    const task = await resumedTask(undefined, { resume: folder, gradientCheckpointing: true });
    expect(task.values).toEqual({ epochs: 3, gradientCheckpointing: true });
    await expect(resumedTask(undefined, { resume: folder, epochs: 4 })).rejects.toThrow(/--epochs/);
  });
});

describe('options that are repeated with --resume', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'repeated-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are compared by their values, and what computes may be another', async () => {
    const rows = join(folder, 'rows.csv');
    await writeFile(rows, 'text,label\n');
    const begun = await newTask(rows, { out: folder, pooling: ['cls', 'mean'] });
    const command = await recordOf(begun);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ command }));
    const resume = (words: string) => {
      const { options } = parseCommand(trainCommand, ['--resume', folder, ...words.split(' ')]);
      return resumedTask(undefined, options);
    };
    const words = '--pooling cls,mean --backend onnxruntime --execution-provider cuda --threads 2';
    expect((await resume(words)).values).toEqual({
      ...{ pooling: ['cls', 'mean'], backend: 'onnxruntime' },
      ...{ executionProvider: 'cuda', threads: 2 },
    });
    await expect(resume('--pooling mean,cls')).rejects.toThrow('so --pooling cannot change');
    await expect(resume('--pooling cls')).rejects.toThrow('so --pooling cannot change');
  });
});
