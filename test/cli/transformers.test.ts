import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeImageModel, writeTextModel } from '../encoders/tinyOnnx.js';
import { bertresnet, makeWorkspace } from './workspace.js';
import type { Workspace } from './workspace.js';

interface Figures {
  readonly loss: number;
  readonly accuracy: number;
}

let workspace: Workspace;
let [text, image] = ['', ''];
beforeAll(async () => {
  workspace = await makeWorkspace();
  text = `transformers:${await writeTextModel(workspace.path('e5'))}`;
  image = `transformers:${await writeImageModel(workspace.path('dino'))}`;
});
afterAll(() => workspace.remove());

const path = (...names: string[]): string => workspace.path(...names);
const train = (out: string, ...more: readonly string[]): string[] => [
  ...['train', path('train.csv'), '--val', path('val.csv'), '--out', path(out), ...more],
  ...['--hidden-size', '8', '--epochs', '2', '--batch-size', '8', '--backend', 'cpu'],
];
const json = async (...names: string[]): Promise<unknown> =>
  JSON.parse(await readFile(path(...names), 'utf8'));

it('trains on encoders that transformers runs, and what it saves loads them again', async () => {
  const cached = ['--cache-features', path('features')];
  const encoders = ['--text', text, '--image', image, '--pooling', 'cls'];
  const { code, stderr } = await bertresnet(train('run', ...encoders, ...cached));
  expect(code, stderr).toBe(0);
  expect(await json('run', 'model', 'config.json')).toMatchObject({
    text: { modelType: 'transformers', model: path('e5'), pooling: 'cls' },
    image: { modelType: 'transformers', model: path('dino') },
  });
  const { loss, accuracy } = (await json('run', 'metrics.json')) as Figures;
  const words = [path('run'), path('val.csv'), '--backend', 'cpu'];
  const evaluated = await bertresnet(['evaluate', ...words, '--json']);
  expect(evaluated.code, evaluated.stderr).toBe(0);
  const figures = JSON.parse(evaluated.stdout) as Figures;
  expect(figures.accuracy).toBe(accuracy);
  expect(figures.loss).toBeCloseTo(loss, 5);
  const predicted = await bertresnet(['predict', ...words, '--out', path('predictions.csv')]);
  expect(predicted.code, predicted.stderr).toBe(0);
  expect((await bertresnet(['inspect', path('run')])).stdout).toContain(path('e5'));
  expect((await bertresnet(['train', '--resume', path('run')])).code).toBe(0);
});

it('trains one encoder beside it', async () => {
  const own = ['--scratch', '--image', path('image.json'), '--image-size', '16', '--no-report'];
  const { code, stderr } = await bertresnet(train('beside', '--text', text, ...own));
  expect(code, stderr).toBe(0);
  expect(await json('beside', 'model', 'config.json')).toMatchObject({
    text: { modelType: 'transformers' },
    image: { modelType: 'resnet' },
  });
});

it.each([
  [['--tokenizer', 'VOCAB'], /--text transformers:.*so --tokenizer must be left out/],
  [['--image-size', '16'], /--image transformers:.*so --image-size must be left out/],
])('refuses %j, which such an encoder has itself', async (more, problem) => {
  const given = more.map((word) => (word === 'VOCAB' ? path('vocab.txt') : word));
  const words = train('refused', '--text', text, '--image', image, ...given);
  const { code, stderr } = await bertresnet(words);
  expect(code).toBe(2);
  expect(stderr).toMatch(problem);
});

it('refuses to run a model without a name', async () => {
  const { code, stderr } = await bertresnet(train('refused', '--text', 'transformers:'));
  expect(code).toBe(2);
  expect(stderr).toMatch(/transformers: stands before a hub id or a folder, got neither/);
});

it('says which model cannot be loaded', async () => {
  const { code, stderr } = await bertresnet(
    train('refused', '--text', `transformers:${path('img')}`),
  );
  expect(code).toBe(2);
  expect(stderr).toMatch(/transformers: .*img cannot be loaded/);
});
