// A trained model as a folder: saved, loaded, evaluated, and asked.
//   npm run example -- 4
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BertResNetModel, Trainer, evaluate } from 'bertresnet';
import type { Example } from 'bertresnet';
import { tinyDataset, tinyModel } from './tiny/data.js';

const folder = fileURLToPath(new URL('results/tiny', import.meta.url));
const test = tinyDataset('test', 2);

const model = await tinyModel();
await new Trainer(model, { epochs: 6, batchSize: 16, learningRate: 3e-3 }).fit(
  tinyDataset('train', 8),
);
await model.save(folder);
console.log(readdirSync(folder).join('  '));

// What PyTorch, transformers and torchvision can read, this reads as well, and the other way round.
const same = await BertResNetModel.fromPretrained(folder);
const report = await evaluate(same, test, { mode: 'both' });
console.log(
  `accuracy ${report.accuracy}, macro F1 ${report.macroF1}, loss ${report.loss.toFixed(4)}`,
);
console.table(report.confusion); // a row for each true label, a column for each predicted one

// Either input may be missing: then the head of the other one answers.
const [{ text, image }] = (await test.examples([0])) as [Example];
for (const question of [{ text, image }, { text }, { image }]) {
  const [answer] = await same.predict([question]);
  const { label, probability } = answer!;
  console.log(`${Object.keys(question).join(' + ')} -> ${label} (${probability.toFixed(2)})`);
}
