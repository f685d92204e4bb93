// What a type checker sees that oxlint does not (a promise nobody awaits), and who may import whom.
import tseslint from 'typescript-eslint';

/** Refuses an import, static, dynamic or of a type, whose specifier matches. */
function refuse(pattern, message) {
  const kinds = 'ImportDeclaration, ExportNamedDeclaration, ExportAllDeclaration, ImportExpression';
  return { selector: `:matches(${kinds})[source.value=/${pattern}/]`, message };
}

const noPlatform = refuse(
  '^(node:|sharp$)',
  'Only *.node.ts and *.browser.ts import a platform: move this behind such a file.',
);
const noRuntime = refuse(
  '^onnxruntime-',
  'Only backends/onnxruntime/runtime.*.ts imports ONNX Runtime.',
);
const noBackend = refuse(
  '(\\u002Fbackends\\u002F(?!select\\.js$)|^@tensorflow\\u002Ftfjs-backend-|^@tensorflow\\u002Ftfjs-node)',
  'datasets, encoders, fusion, nn and training import no backend.',
);
const noEncoders = refuse(
  '\\u002Fencoders\\u002F',
  'encoders and fusion do not import each other: pass what is needed as an argument.',
);
const noFusion = refuse(
  '\\u002Ffusion\\u002F',
  'encoders and fusion do not import each other: pass what is needed as an argument.',
);
const noTraining = refuse(
  '\\u002F(training|evaluation|report)\\u002F',
  'training, evaluation and report may import this, never the reverse.',
);
const noEvaluation = refuse(
  '\\u002F(evaluation|report)\\u002F',
  'evaluation may import training, never the reverse.',
);
const noReport = refuse('\\u002Freport\\u002F', 'report may import this, never the reverse.');
const onlyBackends = refuse(
  '^\\.\\u002F(?!backends\\u002F|errors\\.js$)',
  'bertresnet/onnxruntime is the backend without the rest of the library.',
);
const noRegistration = refuse(
  '\\.\\u002Fonnxruntime\\.js$',
  'Importing onnxruntime.ts registers a backend: the library itself does so when it is asked to.',
);
const onlyPublic = refuse(
  '^\\.\\.\\u002F(?!index\\.js$|(nearest|version\\.node)\\.js$|weights\\u002Ffiles\\.node\\.js$)',
  'The command line stands on the public API alone: import it from ../index.js.',
);
const onlyPackage = refuse(
  '\\u002Fsrc\\u002F',
  "The demo stands on the public API alone, as a user's page would: import it from 'bertresnet'.",
);

/** What each part of src may not import. */
const boundaries = {
  'src/*.ts': [],
  'src/onnxruntime.ts': [onlyBackends],
  'src/model.ts': [noTraining],
  'src/datasets/**/*.ts': [noBackend, noEncoders, noFusion, noTraining],
  'src/encoders/**/*.ts': [noBackend, noFusion, noTraining],
  'src/fusion/**/*.ts': [noBackend, noEncoders, noTraining],
  'src/nn/**/*.ts': [noBackend, noEncoders, noFusion, noTraining],
  'src/weights/**/*.ts': [noBackend, noEncoders, noFusion, noTraining],
  'src/training/**/*.ts': [noBackend, noEvaluation],
  'src/evaluation/**/*.ts': [noBackend, noReport],
  'src/report/**/*.ts': [noBackend],
  'src/files/**/*.ts': [noBackend, noEncoders, noFusion, noTraining],
  'src/onnx/**/*.ts': [noTraining],
  'src/backends/**/*.ts': [noEncoders, noFusion, noTraining],
  'src/cli/**/*.ts': [onlyPublic],
};

/** What none of them may, but the seam to ONNX Runtime. */
const everywhere = [noRuntime, noRegistration];

const platformFiles = ['**/*.node.ts', '**/*.browser.ts'];
const syntax = (rules) => ({ 'no-restricted-syntax': ['error', ...rules] });

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'docs/api/',
      'coverage/',
      'node_modules/',
      'examples/data/',
      'examples/results/',
      'test/package/consumer/',
      '**/*.js',
      '**/*.mjs',
    ],
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-for-in-array': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports' },
      ],
      'no-console': 'off',
    },
  },
  ...Object.entries(boundaries).flatMap(([folder, rules]) => [
    {
      files: [folder],
      ignores: platformFiles,
      rules: syntax([...rules, ...everywhere, noPlatform]),
    },
    {
      files: platformFiles.map((kind) => [folder, kind]),
      rules: syntax([...rules, ...everywhere]),
    },
  ]),
  {
    files: ['src/backends/onnxruntime/runtime.*.ts'],
    rules: syntax([...boundaries['src/backends/**/*.ts']]),
  },
  { files: ['demo/**/*.ts'], rules: syntax([onlyPackage]) },
  // A test of vitest returns the promise of its body to nobody; scripts and examples have no house rules.
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-explicit-any': 'off' } },
);
