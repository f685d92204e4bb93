import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { choice, flag, text } from './options.js';
import { exportedFile, loadModel, openRun } from './runFolder.node.js';
import { exitCodes } from './terminal.js';

const options = {
  format: choice(['onnx'], 'What is written (default onnx)'),
  out: text('FILE', 'Where it goes (default: model.onnx in the run folder, model-MODE.onnx)'),
  mode: choice(
    ['text', 'image', 'both'],
    'What the answers of the exported model rest on (default both, or the one input that was trained); its inputs are those of the mode',
  ),
  json: flag('Print what was written as JSON on stdout, and nothing else there'),
};

async function run({ positionals, options: given, terminal }: Invocation<typeof options>) {
  const found = await openRun(positionals[0]!, 'export');
  const model = await loadModel(found);
  const { mode = model.trainedMode ?? 'both', format = 'onnx' } = given;
  const files = await model.toOnnx(given.out ?? exportedFile(found, mode), { mode });
  model.dispose();
  if (given.json) terminal.out(JSON.stringify({ format, mode, files }, null, 2));
  else files.forEach((file) => terminal.out(file));
  return exitCodes.ok;
}

/** `bertresnet export`: a trained model for other programs. */
export const exportCommand = defineCommand({
  name: 'export',
  summary: 'Write a trained model as an ONNX file, which other languages and runtimes run',
  positionals: [{ name: 'RUN', help: 'The folder that train left, or a saved model' }],
  options,
  examples: [
    'export results/run1 --format onnx',
    'export results/run1 --mode text --out text-only.onnx',
  ],
  run,
});
