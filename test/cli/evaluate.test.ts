import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bertresnet, makeWorkspace, trainWords } from './workspace.js';
import type { Workspace } from './workspace.js';

let workspace: Workspace;
const path = (...names: string[]): string => workspace.path(...names);
const text = (...names: string[]): Promise<string> => readFile(path(...names), 'utf8');
const json = async <T>(...names: string[]): Promise<T> => JSON.parse(await text(...names)) as T;

/** The first rows of train.csv, which the run leaves out. */
const leftOut = 8;

beforeAll(async () => {
  workspace = await makeWorkspace();
  const lines = (await text('train.csv')).split('\n').slice(0, leftOut + 1);
  await writeFile(path('test.csv'), lines.join('\n'));
  const words = [...trainWords(workspace, 'run', 1), '--exclude', path('test.csv')];
  const { code, stderr } = await bertresnet(words);
  expect(code, stderr).toBe(0);
});
afterAll(() => workspace.remove());

const evaluate = (run: string, csv: string, ...more: string[]) =>
  bertresnet(['evaluate', path(run), path(csv), '--backend', 'cpu', ...more]);

/** A copy of the run, for changes. */
async function copied(name: string): Promise<string> {
  await cp(path('run'), path(name), { recursive: true });
  return name;
}

describe('leakage', () => {
  interface Figures {
    readonly leakage?: { readonly sameText: number };
  }
  const found = async (...names: string[]) => (await json<Figures>(...names)).leakage?.sameText;

  it('is not of rows that the run left out', async () => {
    await evaluate('run', 'test.csv');
    expect(await found('run', 'metrics-test.json')).toBe(0);
    await evaluate('run', 'train.csv');
    expect(await found('run', 'metrics-train.json')).toBe(24 - leftOut);
  });

  it('is not of rows that the run held out', async () => {
    const all = trainWords(workspace, 'held', 1).filter((_, i, words) => {
      return words[i] !== '--val' && words[i - 1] !== '--val';
    });
    const { stderr } = await bertresnet([...all, '--val-fraction', '0.25', '--seed', '7']);
    expect(stderr).toContain('6 rows held out for validation');
    await evaluate('held', 'train.csv');
    expect(await found('held', 'metrics-train.json')).toBe(18);
  });

  it('is not looked for where what was left out is not known any more', async () => {
    const run = await copied('lost');
    await rename(path('test.csv'), path('other.csv'));
    const { stderr, code } = await evaluate(run, 'other.csv');
    await rename(path('other.csv'), path('test.csv'));
    expect(stderr).toMatch(/note: .*test\.csv, which was left out of the training, is not there/);
    expect(await found(run, 'metrics-other.json')).toBeUndefined();
    expect(code).toBe(0);
  });

  it('is looked for in rows of an address, as long as it answers', async () => {
    const server = createServer((request, response) => {
      const send = (content: Buffer): void => void response.end(content);
      readFile(path(request.url!)).then(send, () => response.writeHead(404).end());
    });
    await new Promise<void>((ready) => void server.listen(0, '127.0.0.1', ready));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const run = await copied('far');
    const config = await json<{ command: object }>(run, 'config.json');
    const command = { ...config.command, train: `${address}/train.csv`, exclude: undefined };
    await writeFile(path(run, 'config.json'), JSON.stringify({ ...config, command }));
    await evaluate(run, 'train.csv');
    server.closeAllConnections();
    await new Promise((closed) => void server.close(closed));
    expect(await found(run, 'metrics-train.json')).toBe(24);
    const { stderr, code } = await evaluate(run, 'test.csv');
    expect(stderr).toMatch(/note: .*127\.0\.0\.1:\d+\/train\.csv cannot be read.*no leakage/);
    expect(code).toBe(0);
  });
});

describe('--calibrate', () => {
  interface Calibrated {
    readonly calibration?: { readonly data: string; readonly heads: Record<string, object> };
  }
  const ofModel = (run: string) => json<Calibrated>(run, 'model', 'config.json');

  it('keeps the heads that it does not fit', async () => {
    const run = await copied('heads');
    const { heads } = (await ofModel(run)).calibration!;
    const calibrate = ['--mode', 'text', '--calibrate', path('test.csv')];
    const { stderr } = await evaluate(run, 'val.csv', ...calibrate);
    expect(stderr).toMatch(/temperature of text: .*, of 8 rows/);
    expect(stderr).not.toMatch(/temperature of (image|both)/);
    const after = (await ofModel(run)).calibration!;
    expect(after.data).toBe('val.csv and test.csv');
    const { image, both } = heads;
    expect(after.heads).toMatchObject({ image, both });
    expect(after.heads['text']).not.toEqual(heads['text']);
  });

  it('says where its rows were trained on', async () => {
    const run = await copied('seen');
    const warned = /warning: .*/.exec(
      (await evaluate(run, 'val.csv', '--calibrate', path('train.csv'), '--no-report')).stderr,
    );
    expect(warned?.[0]).toBe(
      `warning: the model was trained on ${24 - leftOut} of the 24 rows of --calibrate, ` +
        'so its probabilities will be too sure; give rows that it has not seen',
    );
    const { stderr } = await evaluate(run, 'val.csv', '--calibrate', path('test.csv'));
    expect(stderr).not.toContain('warning');
  });

  it('changes a saved model in its place, whatever else lies there', async () => {
    await cp(path('run', 'model'), path('saved'), { recursive: true });
    const weights = await readFile(path('saved', 'model.safetensors'));
    expect((await evaluate('saved', 'test.csv')).code).toBe(0);
    const names = await readdir(path('saved'));
    const words = ['--calibrate', path('train.csv')];
    const { code, stderr } = await evaluate('saved', 'test.csv', ...words);
    expect(code, stderr).toBe(0);
    expect(await readdir(path('saved'))).toEqual(names);
    expect(await readFile(path('saved', 'model.safetensors'))).toEqual(weights);
    expect((await json<Calibrated>('saved', 'config.json')).calibration!.data).toBe('train.csv');
    expect(await text('saved', 'README.md')).toContain('fitted on `train.csv`');
  });

  it('changes no model where its figures cannot be written', async () => {
    const run = await copied('unwritten');
    const before = await ofModel(run);
    const words = ['--calibrate', path('train.csv')];
    const refused = await evaluate(run, 'test.csv', ...words, '--out', path('img'));
    expect(refused.stderr).toMatch(/evaluate: --out must be a file, and .*img is a folder/);
    expect(refused.stderr).not.toContain('backend:');
    expect(refused.code).toBe(2);
    const below = path('train.csv', 'metrics.json');
    const file = await evaluate(run, 'test.csv', ...words, '--out', below);
    expect(file.stderr).toMatch(/train\.csv: it must be a folder, and a file is there/);
    expect(file.stderr).not.toContain('backend:');
    await rm(path(run, 'report-test.html'), { force: true });
    await mkdir(path(run, 'report-test.html'));
    expect((await evaluate(run, 'test.csv', ...words)).stderr).toContain('report-test.html');
    expect(await ofModel(run)).toEqual(before);
  });
});

describe('history.jsonl', () => {
  it('may end in the middle of a line', async () => {
    const run = await copied('cut');
    await writeFile(path(run, 'history.jsonl'), (await text(run, 'history.jsonl')).slice(0, -20));
    for (const words of [
      ['evaluate', path(run), path('val.csv'), '--backend', 'cpu'],
      ['report', path(run), path('val.csv'), '--backend', 'cpu'],
      ['compare', path(run), path('run')],
    ]) {
      const { code, stderr } = await bertresnet(words);
      expect(code, stderr).toBe(0);
    }
  });

  it('is refused where it is damaged elsewhere, before anything is computed', async () => {
    const run = await copied('damaged');
    const [first, , ...others] = (await text(run, 'history.jsonl')).split('\n');
    await writeFile(path(run, 'history.jsonl'), [first, '{"ste', ...others].join('\n'));
    const { code, stderr } = await evaluate(run, 'val.csv');
    expect(stderr).toMatch(/history\.jsonl line 2 must be JSON/);
    expect(stderr).not.toContain('backend:');
    expect(code).toBe(2);
  });
});

describe('rows without labels', () => {
  const words =
    'columns ["id","text","img_path","mood"] is known as one; name it with --label-column';
  beforeAll(async () => {
    const [header, ...rows] = (await text('train.csv')).split('\n');
    const named = [header!.replace('label', 'mood'), ...rows].join('\n');
    await writeFile(path('moods.csv'), named);
  });

  it('are refused before anything is computed', async () => {
    for (const more of [['moods.csv'], ['val.csv', '--calibrate', path('moods.csv')]]) {
      const { code, stderr } = await evaluate('run', ...(more as [string]));
      expect(stderr).toContain(words);
      expect(stderr).toContain(`evaluate: ${path('moods.csv')} must have a column of labels`);
      expect(stderr).not.toContain('backend:');
      expect(code).toBe(2);
    }
    const named = await evaluate('run', 'moods.csv', '--label-column', 'mood');
    expect(named.code, named.stderr).toBe(0);
  });

  it.each(['moods.csv', 'val.csv', undefined])(
    'are refused by train, with --val %s',
    async (val) => {
      const given = trainWords(workspace, 'unlabelled', 1);
      given[given.indexOf(path('train.csv'))] = path('moods.csv');
      const at = given.indexOf('--val');
      given.splice(at, 2, ...(val === undefined ? [] : ['--val', path(val)]));
      const { code, stderr } = await bertresnet(given);
      expect(stderr).toContain(words);
      expect(stderr).toContain(`train: ${path('moods.csv')} must have a column of labels`);
      expect(stderr).not.toContain('backend:');
      expect(code).toBe(2);
    },
  );
});
