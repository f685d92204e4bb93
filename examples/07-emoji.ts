// The main job, from nothing to a checked result: to which of eight groups does an emoji belong?
// Text (name and keywords) and picture, a small BERT and a small ResNet from random weights.
//   npm run example            (some minutes on two cores; fails if it misses its accuracy)
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BertResNetModel, CsvDataset, Trainer, evaluate, useBackend } from 'bertresnet';
import { answerSome } from './emoji/answers.js';
import { buildEmojiData } from './emoji/build-data.js';
import { contactSheet } from './emoji/contact-sheet.js';
import { emojiModel } from './emoji/model.js';

const goal = 0.83;
const seed = Number(process.argv[2] ?? 1);
if (!Number.isInteger(seed)) {
  console.error(`The seed is a whole number, got ${process.argv[2]}`);
  process.exit(2);
}
const outputDir = fileURLToPath(new URL('results/emoji', import.meta.url));
const start = Date.now();

// 1. The data: three CSV files and a folder of pictures.
const folder = await buildEmojiData();
const open = (split: string): Promise<CsvDataset> => CsvDataset.open(join(folder, `${split}.csv`));
const [train, validation, test] = [await open('train'), await open('val'), await open('test')];
console.log(`${train.size} rows to train on, ${validation.size} to validate, ${test.size} to test`);

// 2. The training. So few rows are soon known by heart: most options are there to make that harder.
console.log('computing on', await useBackend('auto'));
const trainer = new Trainer(await emojiModel(folder, train.labels, seed), {
  epochs: 24,
  batchSize: 64,
  learningRate: 2e-3,
  textLearningRate: 3e-4, // slower than the picture's, or the text is known by heart before pictures are learned
  weightDecay: 0.3,
  labelSmoothing: 0.1,
  ema: 0.98,
  mixup: 0.4,
  maxLength: 40,
  auxiliary: { weight: 2, reachEncoders: true },
  augment: {
    wordDropout: 0.4,
    horizontalFlip: 0.5,
    rotation: 15,
    shift: 0.1,
    scale: [0.8, 1.2],
    fill: [255, 255, 255],
    brightness: 0.3,
    contrast: 0.3,
    saturation: 0.3,
  },
  seed,
  monitor: 'loss', // on 187 rows a smoother judge of epochs than accuracy
  outputDir,
  overwrite: true,
  progress: true,
});
await trainer.fit(train, { validation });

// 3. The proof: the best epoch's model, on emoji of which not even a variant was trained on.
const model = await BertResNetModel.fromPretrained(join(outputDir, 'model'));
const report = await evaluate(model, test, { mode: 'both', maxLength: 40 });
writeFileSync(join(outputDir, 'metrics-test.json'), JSON.stringify(report, null, 2));
const answers = await answerSome(model, folder, 16);
await contactSheet(answers, join(outputDir, 'predictions.png'));
for (const answer of answers) {
  const { emoji, name, truth, predicted, probability } = answer;
  const verdict = truth === predicted ? 'right' : `WRONG, it is ${truth}`;
  console.log(`${emoji}  ${name}: ${predicted} ${(100 * probability).toFixed(0)}% (${verdict})`);
}
const { text, image, both } = report.modes as Required<typeof report.modes>;
console.log('\nAccuracy on the test set');
console.log(`  text alone   ${text.accuracy.toFixed(3)}`);
console.log(`  image alone  ${image.accuracy.toFixed(3)}`);
console.log(`  both         ${both.accuracy.toFixed(3)}`);
console.log(
  `It took ${((Date.now() - start) / 60_000).toFixed(1)} minutes; the run is in ${outputDir}`,
);

if (both.accuracy < goal || both.accuracy <= Math.max(text.accuracy, image.accuracy)) {
  console.error(`FAILED: both must reach ${goal} and exceed text alone and image alone`);
  process.exitCode = 1;
}
