import { appendFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrialResult } from '../../src/index.js';
import type { TrainValues } from '../../src/cli/trainOptions.js';
import { defaultSpace, nextOf } from '../../src/cli/tuneOptions.js';
import { bertresnet, makeWorkspace } from './workspace.js';
import type { Listener, Outcome, Workspace } from './workspace.js';

interface Line {
  readonly kind: string;
  readonly trial: number;
  readonly epochs: number;
  readonly score: number | null;
  readonly seconds: number;
  readonly options: Record<string, unknown>;
  readonly history: readonly unknown[];
}

/** The first line of search.jsonl. */
interface First {
  readonly budget?: number;
  readonly dropped?: number;
  readonly command: { readonly ema?: number };
}

type Best = Pick<First, 'command'>;

let workspace: Workspace;
const path = (...names: string[]): string => workspace.path(...names);
beforeAll(async () => {
  workspace = await makeWorkspace();
  const space = {
    'learning-rate': { min: 1e-3, max: 3e-2, log: true },
    fusion: ['mlp', { type: 'gmu' }],
    mixup: [null, 0.2],
  };
  await writeFile(path('space.json'), JSON.stringify(space));
});
afterAll(() => workspace.remove());

const tune = (out: string, more: string[] = [], listener?: Listener, space = 'space.json') =>
  bertresnet(
    [
      ...['tune', path('train.csv'), '--val', path('val.csv'), '--out', path(out)],
      ...['--scratch', '--text', path('text.json'), '--image', path('image.json')],
      ...['--tokenizer', path('vocab.txt'), '--image-size', '16', '--hidden-size', '16'],
      ...['--mode', 'text', '--batch-size', '8', '--backend', 'cpu', '--space', path(space)],
      ...(more.includes('--trials') ? [] : ['--trials', '3', '--max-epochs', '2']),
      ...more,
    ],
    listener,
  );

const lines = async (out: string): Promise<Line[]> =>
  (await readFile(path(out, 'search.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const first = async (out: string): Promise<First> => (await lines(out))[0] as unknown as First;
/** What two searches that are equal have in common: not their time. */
const found = async (out: string) =>
  (await lines(out)).slice(1).map((line) => ({ ...line, seconds: undefined }));

describe('tune', () => {
  let whole: Outcome;
  beforeAll(async () => {
    whole = await tune('whole');
  });

  it('searches, and prints the trials', async () => {
    const { code, stdout, stderr } = whole;
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/trial +epochs +accuracy +time +options/);
    expect(stdout).toMatch(/\d +2 +\d\.\d{3} +\S+ +--learning-rate \S+ --fusion /);
    const [search, ...trials] = await lines('whole');
    expect(search!.kind).toBe('search');
    expect(JSON.stringify(search)).not.toContain(workspace.folder);
    // Each of three for one epoch, and the best of them for two.
    expect(trials.map(({ epochs }) => epochs)).toEqual([1, 1, 1, 2]);
    for (const { epochs, history } of trials) expect(history).toHaveLength(epochs);
  });

  it('leaves what train takes', async () => {
    const trials = (await lines('whole')).slice(1);
    const out = ['--out', path('best'), '--json', '--no-report'];
    const trained = await bertresnet(['train', '--config', path('whole', 'best.json'), ...out]);
    expect(trained.code, trained.stderr).toBe(0);
    const best = Math.max(...trials.map(({ score }) => score!));
    const { metrics } = JSON.parse(trained.stdout) as { metrics: { accuracy: number } };
    expect(metrics.accuracy).toBe(best);
  });

  it('gives trials the average of random weights, unless it or a rate is given', async () => {
    await writeFile(path('mixup.json'), '{ "mixup": [0.2] }');
    const few = ['--trials', '1', '--max-epochs', '1'];
    const averaged = async (out: string): Promise<unknown> =>
      (JSON.parse(await readFile(path(out, 'best.json'), 'utf8')) as Best).command.ema;
    expect(await averaged('whole')).toBe(0.98);
    expect((await first('whole')).command.ema).toBe(0.98);
    const { code, stderr } = await tune('own', [...few, '--ema', '0']);
    expect(code, stderr).toBe(0);
    expect(await averaged('own')).toBe(0);
    await tune('rate', [...few, '--learning-rate', '0.01'], {}, 'mixup.json');
    expect(await averaged('rate')).toBeUndefined();
    // Values of it that are drawn are those of their trial alone.
    await writeFile(path('ema.json'), '{ "learning-rate": [0.01], "ema": [0.5] }');
    await tune('drawn', few, {}, 'ema.json');
    expect(await averaged('drawn')).toBe(0.5);
    expect((await first('drawn')).command.ema).toBe(0.98);
    // A search that began without it goes on without it.
    const { command, ...search } = await first('whole');
    const [, trial] = await lines('whole');
    await mkdir(path('before'));
    const before = [{ ...search, command: { ...command, ema: undefined } }, trial];
    const log = before.map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeFile(path('before', 'search.jsonl'), log);
    await bertresnet(['tune', '--resume', path('before')]);
    expect(await found('before')).toHaveLength(4);
    expect(await averaged('before')).toBeUndefined();
  });

  it('goes on after Ctrl-C as if it had never stopped, and after a process that died', async () => {
    const controller = new AbortController();
    const heard = (line: string): void => {
      if (line.startsWith('trial 1,')) controller.abort();
    };
    const stopped = await tune('cut', [], { signal: controller.signal, heard });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('Stopped. To go on: bertresnet tune --resume');
    expect(await found('cut')).toHaveLength(2);
    await appendFile(path('cut', 'search.jsonl'), '{"kind":"trial","tri');
    const resumed = await bertresnet(['tune', '--resume', path('cut'), '--json']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(await found('cut')).toEqual(await found('whole'));
    const { trials } = JSON.parse(resumed.stdout) as { trials: Line[] };
    expect(trials).toHaveLength(4);
    expect(await readFile(path('cut', 'best.json'), 'utf8')).toEqual(
      await readFile(path('whole', 'best.json'), 'utf8'),
    );
  });

  it('keeps within its time, and takes more of it up', async () => {
    const over = await tune('short', ['--budget', '0.01s']);
    expect(over.code).toBe(0);
    expect(over.stderr).toMatch(/\ntrial 0 \(1 epoch: --.*\) \.\.\.\n/);
    expect(over.stderr).toMatch(
      /The time is over\. To go on: .* --budget TIME \(\d+s of it are spent\)/,
    );
    expect(await found('short')).toEqual([]);
    const more = ['--budget', '10m', '--trials', '1'];
    await bertresnet(['tune', '--resume', path('short'), ...more]);
    expect((await found('short')).map(({ epochs }) => epochs)).toEqual([1, 2]);
    const same = await bertresnet(['tune', '--resume', path('short')]);
    expect(same.code, same.stderr).toBe(0);
    expect(await found('short')).toHaveLength(2);
  });

  it('keeps its time when it is stopped, and counts what it drops', async () => {
    const resume = (more: string[], listener?: Listener) =>
      bertresnet(['tune', '--resume', path('kept'), ...more], listener);
    const stopped = async (run: (listener: Listener) => Promise<Outcome>): Promise<number> => {
      const controller = new AbortController();
      const heard = (line: string): void => {
        if (line.startsWith('trial 0 (')) controller.abort();
      };
      const { code, stderr } = await run({ signal: controller.signal, heard });
      expect(code, stderr).toBe(130);
      const { budget, dropped } = await first('kept');
      expect(budget).toBe(600);
      return dropped!;
    };
    const once = await stopped((listener) => tune('kept', ['--budget', '10m'], listener));
    expect(once).toBeGreaterThan(0);
    expect(await stopped((listener) => resume([], listener))).toBeGreaterThan(once);
    // What was dropped has taken up a time that is shorter, the next time too.
    for (const words of [['--budget', '0.001s'], []]) {
      const { code, stderr } = await resume(words);
      expect(code, stderr).toBe(0);
      expect(stderr).toContain('The time is over.');
      expect(stderr).not.toContain('trial 0 (');
    }
    const more = await resume(['--budget', '10m']);
    expect(more.code, more.stderr).toBe(0);
    expect(await found('kept')).toEqual(await found('whole'));
  });

  it('keeps adapters of the run that it leads to, and of no trial', async () => {
    const few = ['--trials', '1', '--max-epochs', '1'];
    const { code, stderr } = await tune('adapted', [...few, '--lora', '2', '--keep-adapter']);
    expect(code, stderr).toBe(0);
    const best = JSON.parse(await readFile(path('adapted', 'best.json'), 'utf8')) as object;
    expect(best).toMatchObject({ command: { lora: 2, keepAdapter: true } });
  });

  it('may go on with another engine', async () => {
    const words = ['--resume', path('whole'), '--backend', 'cpu', '--threads', '1'];
    const resumed = await bertresnet(['tune', ...words, '--execution-provider', 'cpu']);
    expect(resumed.stderr).not.toContain('cannot be given');
  });

  it('goes on with a folder that keeps no time', async () => {
    await tune('old', ['--budget', '0.001s']);
    const { budget: _, dropped: __, ...others } = await first('old');
    await writeFile(path('old', 'search.jsonl'), `${JSON.stringify(others)}\n`);
    const { code, stderr } = await bertresnet(['tune', '--resume', path('old')]);
    expect(code, stderr).toBe(0);
    expect(await found('old')).toEqual(await found('whole'));
  });

  it('counts a configuration that comes to nothing', async () => {
    await writeFile(path('wild.json'), '{ "learning-rate": [1e30], "max-grad-norm": [0] }');
    const wild = ['--trials', '1', '--max-epochs', '1'];
    const { code, stderr } = await tune('wild', wild, {}, 'wild.json');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('No trial came to an end.');
    const [trial, ...others] = await found('wild');
    expect(trial).toMatchObject({ trial: 0, score: null, history: [] });
    expect((trial as unknown as { problem: string }).problem).not.toBe('');
    expect(others).toEqual([]);
  });

  it('refuses, before any work, what cannot be searched', async () => {
    const refused = async (words: string[], message: string): Promise<void> => {
      const { code, stderr } = await bertresnet(['tune', ...words]);
      expect(stderr).toContain(message);
      expect(code).toBe(2);
    };
    const before = await readdir(path());
    await refused([], 'CSV is missing');
    await refused(['--resume', path('none')], 'holds no search to go on with');
    await refused(['--resume', path('whole'), '--mixup', '0.1'], '--mixup cannot be given');
    await refused([path('train.csv'), '--out', path('whole')], 'holds a search; go on with it');
    await refused([path('train.csv'), '--budget', '30'], 'a duration such as 90s, 30m or 2h');
    await refused(
      [path('train.csv'), '--out', path('x'), '--space', path('space.json'), '--fusion', 'mlp'],
      '--fusion is given',
    );
    await writeFile(path('odd.json'), '{"ferment": [1]}');
    await refused(
      [path('train.csv'), '--out', path('x'), '--space', path('odd.json')],
      "got 'ferment'",
    );
    // Rows are opened once, and what judges a trial or says where it is kept is the same for all.
    const alike = ['val-fraction', 'out', 'text-column', 'seed', 'monitor', 'epochs', 'threads'];
    const space = Object.fromEntries([...alike, 'mixup'].map((name) => [name, ['1']]));
    await writeFile(path('odd.json'), JSON.stringify(space));
    await refused(
      [path('train.csv'), '--out', path('x'), '--space', path('odd.json')],
      `got ${alike.map((name) => `'${name}'`).join(', ')}; they are text, image, `,
    );
    const ranges = {
      '"fusion": {"min": 1, "max": 2}': 'takes no numbers, so it must be a list of values',
      '"modulate": {"min": 0, "max": 1}': 'takes no numbers, so it must be a list of values',
      '"batch-size": {"min": 4.5, "max": 8}': "a whole number of at least 1, got '4.5'",
      '"batch-size": {"min": 0, "max": 8}': "a whole number of at least 1, got '0'",
      '"mixup": {"min": 0, "max": 5}': "a number from 0 to 4, got '5'",
      '"modulate": [false, 0]': "is true or false, got '0'",
      '"mixup": {"max": 2}': 'mixup must be a list of values, or { min, max }',
    };
    for (const [range, message] of Object.entries(ranges)) {
      await writeFile(path('odd.json'), `{${range}}`);
      await refused([path('train.csv'), '--out', path('x'), '--space', path('odd.json')], message);
    }
    const nothing = 'something must be left to try, got nothing';
    const fixed = ['--scratch', '--mode', 'text', '--learning-rate', '0.01'];
    await refused([path('train.csv'), '--out', path('x'), ...fixed], nothing);
    await writeFile(path('odd.json'), '{}');
    await refused([path('train.csv'), '--out', path('x'), '--space', path('odd.json')], nothing);
    await writeFile(path('unknown.json'), '{"fusion": ["mlp", "gmo"]}');
    await refused(
      [path('train.csv'), '--out', path('x'), '--space', path('unknown.json')],
      "unknown type 'gmo'",
    );
    const written = ['odd.json', 'unknown.json'];
    expect((await readdir(path())).filter((name) => !written.includes(name))).toEqual(before);
  });

  it('leaves a switch off where false is drawn, or a file says so', async () => {
    await writeFile(path('off.json'), '{ "ungrouped": [false], "auxiliary-detached": [true] }');
    const { code, stderr } = await tune(
      'off',
      ['--trials', '1', '--max-epochs', '1'],
      {},
      'off.json',
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('trial 0 (1 epoch: --auxiliary-detached) ...');
    const [, trial] = await lines('off');
    expect(trial!.options).toEqual({ ungrouped: false, auxiliaryDetached: true });
    const config = path('off', 'best.json');
    const content = await readFile(config, 'utf8');
    expect(JSON.parse(content)).toMatchObject({ command: { ungrouped: false } });
    const train = (out: string) =>
      bertresnet(['train', '--config', config, '--out', path(out), '--no-report']);
    const trained = await train('switched');
    expect(trained.code, trained.stderr).toBe(0);
    const kept = JSON.parse(await readFile(path('switched', 'config.json'), 'utf8')) as object;
    expect(kept).toMatchObject({ command: { ungrouped: false, auxiliaryDetached: true } });
    await writeFile(config, content.replace('"ungrouped": false', '"ungrouped": "no"'));
    const refused = await train('unclear');
    expect(refused.stderr).toContain("best.json is true or false, got 'no'");
    expect(refused.code).toBe(2);
  });

  it('draws whole numbers from the range of an option that takes no others', async () => {
    const ranges =
      '{ "accumulate": {"min": 1, "max": 3}, "max-length": {"min": 6, "max": 30, "log": true} }';
    await writeFile(path('whole.json'), ranges);
    const { code, stderr } = await tune('numbers', [], {}, 'whole.json');
    expect(code, stderr).toBe(0);
    for (const { options } of (await lines('numbers')).slice(1)) {
      const { accumulate, maxLength } = options as Record<string, number>;
      expect([1, 2, 3]).toContain(accumulate);
      expect(maxLength! % 1).toBe(0);
      expect(Math.min(30, Math.max(6, maxLength!))).toBe(maxLength);
    }
  });

  it('draws every whole number of a range as often, with log those of as large a part of it', () => {
    const space = {
      batchSize: { min: 4, max: 8 },
      accumulate: { min: 1, max: 4, log: true },
      mixup: { min: 0, max: 4 },
    };
    const settings = { space, seed: 1, trials: 1000, minEpochs: 1, maxEpochs: 1, reduction: 3 };
    const trials: TrialResult[] = [];
    for (let next = nextOf([], settings); next !== undefined; next = nextOf(trials, settings))
      trials.push({ ...next, score: null });
    const countOf = (key: string, value: number): number =>
      trials.filter(({ options }) => options[key] === value).length;
    const sizes = [4, 5, 6, 7, 8].map((size) => countOf('batchSize', size));
    expect(sizes.reduce((sum, count) => sum + count)).toBe(1000);
    for (const count of sizes) expect(Math.abs(count - 200)).toBeLessThan(40);
    for (const steps of [1, 2, 3, 4]) {
      const share = Math.log((steps + 0.5) / (steps - 0.5)) / Math.log(4.5 / 0.5);
      expect(Math.abs(countOf('accumulate', steps) - 1000 * share)).toBeLessThan(50);
    }
    expect(trials.some(({ options }) => (options.mixup as number) % 1 !== 0)).toBe(true);
  });

  it('leaves no search behind where it is refused before its first trial', async () => {
    const few = ['--trials', '1', '--max-epochs', '1'];
    const refused = async (words: string[], message: string): Promise<void> => {
      const { code, stderr } = await tune('again', [...few, ...words]);
      expect(stderr).toContain(message);
      expect(code).toBe(2);
    };
    const absent = path('trian.csv');
    const before = await readdir(path());
    const { code, stderr } = await bertresnet(['tune', absent, '--out', path('again')]);
    expect(stderr).toContain('trian.csv');
    expect(code).toBe(2);
    await refused(['--exclude', absent], 'trian.csv');
    await refused(['--augment', absent], '--augment is none, crop or a JSON file');
    await refused(['--class-weights', 'rainy'], '--class-weights must be balanced or');
    expect(await readdir(path())).toEqual(before);
    // A folder that was there stays, with what it holds.
    await mkdir(path('again'));
    await writeFile(path('again', 'notes.txt'), '');
    await refused(['--class-weights', 'rainy'], '--class-weights must be balanced or');
    expect(await readdir(path('again'))).toEqual(['notes.txt']);
    const corrected = await tune('again', few);
    expect(corrected.code, corrected.stderr).toBe(0);
    expect(await found('again')).toHaveLength(1);
  });

  it('keeps a search that goes on as it was where it is refused', async () => {
    await tune('moved', ['--budget', '0.001s']);
    const before = await first('moved');
    const command = { ...before.command, train: 'trian.csv' };
    const log = `${JSON.stringify({ ...before, command })}\n`;
    await writeFile(path('moved', 'search.jsonl'), log);
    const resumed = await bertresnet(['tune', '--resume', path('moved'), '--budget', '10m']);
    expect(resumed.stderr).toContain('trian.csv');
    expect(resumed.code).toBe(2);
    expect(await readFile(path('moved', 'search.jsonl'), 'utf8')).toBe(log);
  });

  it('tries what has an effect by default', () => {
    const tried = (fixed: TrainValues) => Object.keys(defaultSpace(fixed));
    expect(tried({})).toEqual(['learningRate', 'headLearningRate', 'fusion', 'freeze']);
    expect(tried({ freeze: 'both' })).toEqual(['headLearningRate', 'fusion']);
    expect(tried({ freeze: 'both', freezeEpochs: 1 })).toContain('learningRate');
    expect(tried({ freeze: 'both', scratch: true })).toEqual(['learningRate', 'fusion']);
    expect(tried({ fusion: 'max', learningRate: 1e-4 })).toEqual(['headLearningRate', 'freeze']);
    expect(defaultSpace({}).freeze).toEqual([null, 'image', 'both']);
    // Adapters are trained in the text encoder's place.
    expect(defaultSpace({ lora: 8 }).freeze).toEqual([null, 'image']);
    expect(tried({ lora: 8, mode: 'text' })).toEqual(['learningRate', 'headLearningRate']);
  });

  it.each(['text', 'image'] as const)(
    'tries no fusion, nor the other encoder, of %s alone',
    (mode) => {
      const other = mode === 'text' ? 'image' : 'text';
      for (const fixed of [{ mode }, { [`${other}Column`]: 'none' }]) {
        const space = defaultSpace(fixed);
        expect(Object.keys(space)).toEqual(['learningRate', 'headLearningRate', 'freeze']);
        expect(space.freeze).toEqual([null, mode]);
      }
      expect(Object.keys(defaultSpace({ mode, freeze: mode }))).toEqual(['headLearningRate']);
      expect(defaultSpace({ mode, freeze: other })).toHaveProperty('learningRate');
      expect(Object.keys(defaultSpace({ mode, scratch: true }))).toEqual(['learningRate']);
      expect(defaultSpace({ mode: 'both', imageColumn: 'none' })).toHaveProperty('fusion');
    },
  );

  it('tries by default the usual fusion, and others that no fusion was better than', async () => {
    const { fusion: tried } = defaultSpace({}) as { fusion: string[] };
    expect(defaultSpace({ scratch: true }).fusion).toEqual(tried);
    expect(tried[0]).toBe('mlp');
    // The table's accuracy on MVSA and on the emoji, and the standard errors by their number of rows.
    const page = await readFile('docs/fusions.md', 'utf8');
    const rows = page.matchAll(
      /^\| `([a-z-]+)`.*? \| (\S+) ± .*? \| .*? \| (\S+) ± .* k \| \d+ s \|$/gm,
    );
    const table = new Map([...rows].map(([, name, ...figures]) => [name, figures.map(Number)]));
    const best = [0, 1].map((i) => Math.max(...[...table.values()].map((one) => one[i]!)));
    for (const name of tried.slice(1)) {
      const [mvsa, emoji] = table.get(name)!;
      expect(mvsa, name).toBeGreaterThanOrEqual(best[0]! - 1.6);
      expect(emoji, name).toBeGreaterThanOrEqual(best[1]! - 1.5);
    }
  });
});
