// The recipe of the PyTorch notebook that this library began as, on a folder of tweets with photos:
// train.csv, val.csv and the pictures they name, and two folders (or hub ids) of pretrained encoders.
//   npm run example -- 6 --data FOLDER [--text FOLDER|HUB-ID] [--image FOLDER|HUB-ID]
//     [--fusion attention] [--epochs 5] [--batch-size 4] [--learning-rate 1e-5] [--out FOLDER]
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  BertResNetModel,
  CsvDataset,
  Trainer,
  evaluate,
  notebookRecipe,
  useBackend,
} from 'bertresnet';

const recipe = notebookRecipe();
const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    text: { type: 'string', default: 'google-bert/bert-base-uncased' },
    image: { type: 'string', default: recipe.model.image },
    fusion: { type: 'string', default: 'mlp' },
    epochs: { type: 'string', default: String(recipe.training.epochs) },
    'batch-size': { type: 'string', default: String(recipe.training.batchSize) },
    'learning-rate': { type: 'string', default: String(recipe.training.learningRate) },
    out: { type: 'string', default: fileURLToPath(new URL('results/notebook', import.meta.url)) },
  },
});
const { data, text, image, fusion, out } = values;
if (data === undefined) {
  console.error('Say where train.csv and val.csv are: --data FOLDER');
  process.exit(2);
}

// The rows of val.csv are also in train.csv: trained on, they would make validation a lie.
const columns = { text: 'text', image: 'img_path', label: 'tag' };
const validation = await CsvDataset.open(join(data, 'val.csv'), columns);
const train = await CsvDataset.open(join(data, 'train.csv'), { ...columns, exclude: 'val.csv' });
console.log(
  `${train.size} rows to train on, ${validation.size} to validate, on`,
  await useBackend(),
);

const labels = train.labels;
const model = await BertResNetModel.create({ ...recipe.model, labels, text, image, fusion });
const trainer = new Trainer(model, {
  ...recipe.training,
  epochs: Number(values.epochs),
  batchSize: Number(values['batch-size']),
  learningRate: Number(values['learning-rate']),
  outputDir: out,
  overwrite: true,
  progress: true,
});
await trainer.fit(train, { validation });

// The best epoch's model; its single-mode heads were trained too, without touching the encoders.
const best = await BertResNetModel.fromPretrained(join(out, 'model'));
const { modes } = await evaluate(best, validation, { maxLength: recipe.training.maxLength });
for (const [mode, { accuracy, macroF1 }] of Object.entries(modes)) {
  console.log(`${mode.padEnd(5)} accuracy ${accuracy.toFixed(4)}, macro F1 ${macroF1.toFixed(4)}`);
}
