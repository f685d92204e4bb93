import { useBackend } from '../../src/backends/select.js';
import { messageOf } from '../../src/errors.js';
import { Trainer } from '../../src/training/trainer.js';
import { tinyData, tinyModel } from './tiny.js';

// Trains into the folder given, says each step and how it ended, and goes on where an earlier process was killed.
await useBackend('cpu');
const trainer = new Trainer(await tinyModel(), {
  epochs: 3,
  batchSize: 4,
  learningRate: 0.01,
  checkpointSteps: 2,
  ema: 0.9,
  soup: 2,
  gradualUnfreezing: 1,
  outputDir: process.argv[2]!,
  resume: true,
  onWarning: () => {},
  onStep: ({ step }) => console.log(`step ${step}`),
});
const ended = trainer.fit(tinyData(20), { validation: tinyData(6, 2) });
console.log(await ended.then(() => 'done', messageOf));
