import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const eslint = new ESLint({
  cwd: root,
  ruleFilter: ({ ruleId }) => ruleId === 'no-restricted-syntax',
  overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
});

/** What the rule says of a file with this line. */
async function complaints(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath });
  return result!.messages.map(({ message }) => message);
}

describe('who may import whom', () => {
  it.each([
    ['src/datasets/a.ts', "import '../backends/onnxruntime/index.js';", /import no backend/],
    ['src/nn/a.ts', "export const a = () => import('@tensorflow/tfjs-backend-cpu');", /no backend/],
    ['src/training/a.node.ts', "import '../backends/gradients.js';", /import no backend/],
    ['src/encoders/a.ts', "export * from '../fusion/fusion.js';", /encoders and fusion/],
    [
      'src/fusion/a.ts',
      "import type { BertConfig } from '../encoders/bertConfig.js';",
      /encoders and/,
    ],
    ['src/model.ts', "import './training/trainer.js';", /never the reverse/],
    ['src/weights/a.ts', "import '../training/clip.js';", /never the reverse/],
    ['src/evaluation/a.ts', "import '../report/page.js';", /never the reverse/],
    ['src/training/a.ts', "import '../evaluation/mcnemar.js';", /never the reverse/],
    ['src/model.ts', "import './evaluation/mcnemar.js';", /never the reverse/],
    ['src/onnx/a.ts', "import '../training/clip.js';", /never the reverse/],
    ['src/datasets/a.ts', "export const a = () => import('node:fs');", /import a platform/],
    ['src/a.ts', "import type sharp from 'sharp';", /import a platform/],
    ['src/backends/a.node.ts', "import 'onnxruntime-node';", /imports ONNX Runtime/],
    ['src/cli/a.ts', "import '../model.js';", /public API alone/],
    ['demo/page/a.ts', "import '../../src/model.js';", /public API alone/],
    ['src/index.ts', "export * from './onnxruntime.js';", /registers a backend/],
    ['src/training/a.ts', "import '../onnxruntime.js';", /registers a backend/],
    ['src/onnxruntime.ts', "import './model.js';", /without the rest of the library/],
  ])('%s may not: %s', async (filePath, code, message) => {
    expect((await complaints(filePath, code)).join()).toMatch(message);
  });

  it.each([
    ['src/training/a.ts', "import '../model.js'; import '../backends/select.js';"],
    ['src/evaluation/a.ts', "import '../training/metrics.js'; import '../model.js';"],
    ['src/datasets/a.node.ts', "import 'node:fs'; import 'sharp';"],
    ['src/backends/onnxruntime/runtime.node.ts', "import 'onnxruntime-node'; import 'node:os';"],
    ['src/cli/a.ts', "import '../index.js'; import './options.js';"],
    ['src/onnxruntime.ts', "import './backends/gradients.js'; import './errors.js';"],
    ['examples/a.ts', "import 'node:fs';"],
    ['demo/build/a.ts', "import 'node:fs'; import 'bertresnet';"],
  ])('%s may: %s', async (filePath, code) => {
    expect(await complaints(filePath, code)).toEqual([]);
  });
});
