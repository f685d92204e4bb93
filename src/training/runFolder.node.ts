import { appendFile, mkdir, readFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { recoverFolder, writeFileAtomic } from '../weights/files.node.js';

const products = [
  ...(['model', 'checkpoint', 'soup', 'metrics.json', 'history.jsonl', 'config.json'] as const),
];

/**
 * A folder that holds a run: `model/`, `checkpoint/last.safetensors`, `history.jsonl`,
 * `config.json`, `metrics.json`, and for a soup `soup/epoch-3.safetensors`. Nothing in it names where it stands, so it can be moved.
 */
export class RunFolder {
  readonly model: string;
  readonly checkpoint: string;
  readonly #history: string;
  #lines = 0;

  constructor(readonly path: string) {
    this.model = join(path, 'model');
    this.checkpoint = join(path, 'checkpoint', 'last.safetensors');
    this.#history = join(path, 'history.jsonl');
  }

  /** The first of a run's products that the folder holds. */
  async holds(): Promise<string | undefined> {
    for (const name of products) if (await exists(join(this.path, name))) return name;
    return undefined;
  }

  /** Makes the folder, empty of any run. @throws InputError where a file stands in its place. */
  async start(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true });
    } catch (error) {
      throw new InputError(
        `trainer: outputDir must be a folder that can be written, got '${this.path}'`,
        {
          cause: error,
        },
      );
    }
    for (const name of products) await rm(join(this.path, name), { recursive: true, force: true });
    await mkdir(join(this.path, 'checkpoint'));
    this.#lines = 0;
  }

  /** Whether there is a checkpoint to go on from. */
  async canResume(): Promise<boolean> {
    return exists(this.checkpoint);
  }

  /** Clears up what a process that died in the middle of writing has left. */
  async recover(): Promise<void> {
    await recoverFolder(this.model);
    const folder = dirname(this.checkpoint);
    for (const name of await readdir(folder)) {
      if (name.startsWith('.last.safetensors.')) await rm(join(folder, name), { force: true });
    }
  }

  /** The file of an epoch's weights that may go into a soup. */
  ingredient(epoch: number): string {
    return join(this.path, 'soup', `epoch-${epoch}.safetensors`);
  }

  /** Removes the weights of all epochs but these. */
  async dropIngredients(kept: readonly number[]): Promise<void> {
    const folder = join(this.path, 'soup');
    const names = kept.map((epoch) => `epoch-${epoch}.safetensors`);
    for (const name of await readdir(folder).catch(() => [])) {
      if (!names.includes(name)) await rm(join(folder, name), { force: true });
    }
  }

  /** The number of lines of history.jsonl. */
  get historyLines(): number {
    return this.#lines;
  }

  /** Adds a line to history.jsonl. */
  async appendHistory(record: unknown): Promise<void> {
    await appendFile(this.#history, `${JSON.stringify(record)}\n`);
    this.#lines += 1;
  }

  /**
   * Cuts history.jsonl back to its first lines: what was written after a checkpoint will be written
   * again.
   */
  async cutHistory(lines: number): Promise<void> {
    this.#lines = lines;
    if (!(await exists(this.#history))) return;
    await truncate(this.#history, endOfLine(await readFile(this.#history), lines));
  }

  /** Writes a file of the folder as JSON, whole or not at all. */
  async writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(join(this.path, name), `${JSON.stringify(value, null, 2)}\n`);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The offset behind the n-th line, or behind the last whole one where there are fewer. */
function endOfLine(bytes: Uint8Array, lines: number): number {
  let end = 0;
  for (let line = 0; line < lines; line++) {
    const next = bytes.indexOf(0x0a, end);
    if (next === -1) break;
    end = next + 1;
  }
  return end;
}
