import { Trainer, evaluate, useBackend } from 'bertresnet';
import { beforeAll, expect, it } from 'vitest';
import { tinyDataset, tinyModel } from '../../examples/tiny/data.js';

beforeAll(() => useBackend('auto'));

it.each(['mlp', 'late'])('the tiny data set needs both modalities: %s', async (fusion) => {
  const model = await tinyModel(fusion);
  const options = { epochs: 6, batchSize: 16, learningRate: 3e-3, seed: 1 };
  await new Trainer(model, options).fit(tinyDataset('train', 8));
  const { modes } = await evaluate(model, tinyDataset('test', 2), { mode: 'both' });
  expect(modes.both!.accuracy).toBe(1);
  // The text says the animal, the picture the colour: each alone leaves two labels to choose from.
  expect(modes.text!.accuracy).toBeLessThan(0.7);
  expect(modes.image!.accuracy).toBeLessThan(0.7);
  model.dispose();
});
