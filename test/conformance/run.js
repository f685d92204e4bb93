// Runs TensorFlow.js's own operator suite against the backend `onnxruntime`:
//   npm run test:conformance [-- --filter TEXT]
// BERTRESNET_ONNXRUNTIME=wasm runs it on ONNX Runtime's WebAssembly build, without the tests that read within a call.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import Jasmine from 'jasmine';
import { exclusions } from './exclusions.js';

const folder = fileURLToPath(new URL('../../.cache/conformance/', import.meta.url));
const { filter = '' } = parseArgs({ options: { filter: { type: 'string' } } }).values;

const counts = { passed: 0, failed: 0, excluded: 0 };
/** How many tests each exclusion matches. */
const matches = new Map(exclusions.map((exclusion) => [exclusion, 0]));

/** The suite and the backend as one module: Node resolves the suite's imports only so, and there is one TensorFlow.js. */
async function bundle() {
  const outfile = `${folder}suite.mjs`;
  await build({
    stdin: {
      contents: "import './setup.ts'; import '@tensorflow/tfjs-core/dist/tests.js';",
      resolveDir: import.meta.dirname ?? fileURLToPath(new URL('.', import.meta.url)),
    },
    outfile,
    bundle: true,
    // TensorFlow.js's package.json says that its tests have no side effects.
    ignoreAnnotations: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    mainFields: ['module', 'main'],
    external: ['onnxruntime-*', 'jasmine-core'],
    banner: {
      js: [
        "import { createRequire as requireOf } from 'node:module';",
        'const require = requireOf(import.meta.url);',
      ].join('\n'),
    },
    logLevel: 'error',
  });
  return pathToFileURL(outfile).href;
}

function isExcluded(name) {
  const matching = exclusions.filter(({ test }) => name.includes(test));
  for (const exclusion of matching) matches.set(exclusion, matches.get(exclusion) + 1);
  if (matching.length > 0) counts.excluded++;
  return matching.length > 0;
}

function report(name, failures) {
  counts.failed++;
  console.log(`FAILED ${name}`);
  for (const { message } of failures) console.log(`    ${message.replaceAll('\n', '\n    ')}`);
}

const reporter = {
  specDone({ status, fullName, failedExpectations }) {
    if (status === 'passed') counts.passed++;
    if (status === 'failed') report(fullName, failedExpectations);
  },
  suiteDone({ fullName, failedExpectations }) {
    if (failedExpectations.length > 0) report(`${fullName}, outside its tests`, failedExpectations);
  },
  jasmineDone({ failedExpectations }) {
    if (failedExpectations.length > 0) report('the suite, outside its tests', failedExpectations);
  },
};

async function run() {
  const runner = new Jasmine({ projectBaseDir: folder });
  runner.exitOnCompletion = false;
  runner.clearReporters();
  runner.addReporter(reporter);
  await import(await bundle());
  const decided = new Map();
  const specFilter = (spec) => {
    if (!decided.has(spec.id)) {
      const name = spec.getFullName();
      decided.set(spec.id, name.includes(filter) && !isExcluded(name));
    }
    return decided.get(spec.id);
  };
  runner.env.configure({ random: false, specFilter });
  await runner.execute();
}

await run();
const stale = filter === '' ? exclusions.filter((exclusion) => matches.get(exclusion) === 0) : [];
for (const { test, reason } of exclusions) console.log(`excluded: ${test}: ${reason}`);
for (const { test } of stale) console.log(`STALE, this exclusion matches no test: ${test}`);
const { passed, failed, excluded } = counts;
console.log(`${passed} passed, ${failed} failed, ${excluded} excluded`);
process.exit(passed > 0 && failed === 0 && stale.length === 0 ? 0 : 1);
