import { useBackend } from '../index.js';
import type { BackendChoice } from '../index.js';
import { choice, integer } from './options.js';
import type { Values } from './options.js';
import type { Terminal } from './terminal.js';

/** The backends by name, the fastest in Node first. */
export const backendNames = [
  'onnxruntime',
  'tensorflow',
  'webgpu',
  'webgl',
  'wasm',
  'cpu',
] as const;

/** The options of a command that computes. */
export const engineOptions = {
  backend: choice(
    ['auto', ...backendNames],
    'What computes (default auto: the best that is installed)',
  ),
  executionProvider: choice(
    ['cpu', 'wasm', 'webgpu', 'cuda', 'dml', 'coreml'],
    'What the backend onnxruntime computes on (default cpu)',
  ),
  threads: integer('How many threads compute (default: the backend decides)'),
};

/** Chooses the backend and says which; advice on a faster one goes to stderr. */
export async function startEngine(
  { backend, executionProvider, threads }: Values<typeof engineOptions>,
  terminal: Terminal,
): Promise<string> {
  let chosen: BackendChoice | undefined;
  const advice: string[] = [];
  // A provider is one of onnxruntime's: whoever names one has chosen the backend.
  const asked = backend ?? (executionProvider === undefined ? 'auto' : 'onnxruntime');
  const name = await useBackend(asked, {
    ...(threads === undefined ? {} : { threads }),
    ...(executionProvider === undefined ? {} : { executionProvider }),
    onAdvice: (text) => advice.push(text),
    onChoice: (choice) => (chosen = choice),
  });
  const more = chosen?.faster.filter((remedy) => !advice.some((text) => text.includes(remedy)));
  for (const text of [...advice, ...(more ?? [])]) terminal.say(`note: ${text}`);
  terminal.say(chosen === undefined ? `backend: ${name}` : `backend: ${name} (${chosen.why})`);
  return name;
}
