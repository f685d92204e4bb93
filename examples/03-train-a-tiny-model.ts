// Training, on a data set that fits on a screen: see tiny/data.ts.
//   npm run example -- 3
import { Trainer, evaluate } from 'bertresnet';
import { tinyDataset, tinyModel } from './tiny/data.js';

const train = tinyDataset('train', 8);
const test = tinyDataset('test', 2);
const model = await tinyModel();

const trainer = new Trainer(model, { epochs: 6, batchSize: 16, learningRate: 3e-3, seed: 1 });
for (const { epoch, loss, validation } of await trainer.fit(train, { validation: test })) {
  const accuracy = validation?.accuracy?.toFixed(2);
  console.log(`epoch ${epoch}: loss ${loss.toFixed(3)}, validation accuracy ${accuracy}`);
}

// The single-mode heads were trained along with the fusion, so their figures mean something.
for (const mode of ['text', 'image', 'both'] as const) {
  const report = await evaluate(model, test, { mode });
  console.log(`${mode.padEnd(5)} accuracy ${report.accuracy.toFixed(2)}`);
}
