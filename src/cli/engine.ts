import { useBackend } from '../index.js';
import { choice, integer } from './options.js';
import type { Values } from './options.js';
import type { Terminal } from './terminal.js';

/** The options of a command that computes. */
export const engineOptions = {
  backend: choice(
    ['auto', 'onnxruntime', 'tensorflow', 'webgpu', 'webgl', 'wasm', 'cpu'],
    'What computes (default auto: the best that is installed)',
  ),
  threads: integer('How many threads compute (default: the backend decides)'),
};

/** Chooses the backend and says which; advice on a faster one goes to stderr. */
export async function startEngine(
  { backend = 'auto', threads }: Values<typeof engineOptions>,
  terminal: Terminal,
): Promise<string> {
  const name = await useBackend(backend, {
    ...(threads === undefined ? {} : { threads }),
    onAdvice: (advice) => terminal.say(`note: ${advice}`),
  });
  terminal.say(`backend: ${name}`);
  return name;
}
