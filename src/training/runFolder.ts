import { InputError } from '../errors.js';
import { lockFolder } from '../files/folderLock.node.js';
import type { FolderLock } from '../files/folderLock.js';
import * as files from '../weights/files.node.js';

const products = [
  ...([
    'model',
    'adapter',
    'checkpoint',
    'soup',
    'metrics.json',
    'history.jsonl',
    'config.json',
  ] as const),
  ...(['report.html', 'answers.csv', 'leakage.csv', 'tensorboard'] as const),
];

/** What the command line's `evaluate` and `report` say of the run's model on other rows: `metrics-test.json`. */
const evaluations = /^(metrics-.+\.json|(answers|leakage)-.+\.csv|report-.+\.html)$/;

/**
 * A folder that holds a run: `model/`, `checkpoint/last.safetensors`, `history.jsonl`,
 * `config.json`, `metrics.json`, with `lora.keepAdapter` `adapter/`, and for a soup `soup/epoch-3.safetensors`. Nothing in it names where it stands, so it can be moved.
 */
export class RunFolder {
  readonly model: string;
  /** The adapters of the best epoch, where they are kept. */
  readonly adapter: string;
  readonly checkpoint: string;
  readonly #history: string;
  #lines = 0;
  #release: (() => void) | undefined;

  constructor(readonly path: string) {
    this.model = this.#inside('model');
    this.adapter = this.#inside('adapter');
    this.checkpoint = this.#inside('checkpoint/last.safetensors');
    this.#history = this.#inside('history.jsonl');
  }

  /**
   * Makes the folder where it is missing, and keeps it for this run until `close`.
   *
   * @throws InputError where another run has it, or it cannot be written.
   */
  async open(): Promise<void> {
    const lock = await this.#lock();
    if ('release' in lock) {
      this.#release = lock.release;
      return;
    }
    throw new InputError(
      `trainer: outputDir must be a folder that no other run writes to, and ${lock.holder} writes to '${this.path}' ` +
        'now; wait for it or stop it, or name another folder',
    );
  }

  async #lock(): Promise<FolderLock> {
    try {
      await files.makeFolder(this.path);
      return await lockFolder(this.path);
    } catch (cause) {
      throw new InputError(
        `trainer: outputDir must be a folder that can be written, got '${this.path}'`,
        { cause },
      );
    }
  }

  /** Lets others have the folder. */
  close(): void {
    this.#release?.();
  }

  /** The first of a run's products that the folder holds. */
  holds(): Promise<string | undefined> {
    return this.#firstOf(products);
  }

  /** The first of what a run keeps of its epochs, which another run would replace. */
  holdsResult(): Promise<string | undefined> {
    return this.#firstOf(['model', 'adapter', 'metrics.json']);
  }

  async #firstOf(names: readonly string[]): Promise<string | undefined> {
    for (const name of names) if (await exists(this.#inside(name))) return name;
    return undefined;
  }

  /** Empties the folder of any run, and of what was said of its model. */
  async start(): Promise<void> {
    if ((await this.holds()) !== undefined) await this.#removeEvaluations();
    for (const name of products) await files.remove(this.#inside(name));
    await files.makeFolder(this.#inside('checkpoint'));
    await this.#removeRemains();
    this.#lines = 0;
  }

  async #removeEvaluations(): Promise<void> {
    for (const name of await files.listFolder(this.path)) {
      const path = this.#inside(name);
      if (evaluations.test(name) && (await files.isFile(path))) await files.remove(path);
    }
  }

  /** Whether there is a checkpoint to go on from. */
  async canResume(): Promise<boolean> {
    return exists(this.checkpoint);
  }

  /** Clears up what a process that died in the middle of writing has left. */
  async recover(): Promise<void> {
    await files.recoverFolder(this.model);
    await files.recoverFolder(this.adapter);
    await this.#removeRemains();
  }

  /** Removes what was being written beside its place. */
  async #removeRemains(): Promise<void> {
    const written = ['metrics.json', 'history.jsonl', 'config.json', 'last.safetensors'];
    for (const folder of ['', 'checkpoint/']) {
      for (const name of await files.listFolder(this.#inside(folder))) {
        const begun = written.some(
          (file) => name.startsWith(`.${file}.`) || name === `${file}.crswap`,
        );
        if (begun) await files.remove(this.#inside(folder + name));
      }
    }
  }

  /** The file of an epoch's weights that may go into a soup. */
  ingredient(epoch: number): string {
    return this.#inside(`soup/epoch-${epoch}.safetensors`);
  }

  /** Removes the weights of all epochs but these. */
  async dropIngredients(kept: readonly number[]): Promise<void> {
    const names = kept.map((epoch) => `epoch-${epoch}.safetensors`);
    for (const name of await files.listFolder(this.#inside('soup')))
      if (!names.includes(name)) await files.remove(this.#inside(`soup/${name}`));
  }

  /** The number of lines of history.jsonl. */
  get historyLines(): number {
    return this.#lines;
  }

  /** Adds a line to history.jsonl. */
  async appendHistory(record: unknown): Promise<void> {
    await files.appendText(this.#history, `${JSON.stringify(record)}\n`);
    this.#lines += 1;
  }

  /**
   * Cuts history.jsonl back to its first lines: what was written after a checkpoint will be written
   * again.
   */
  async cutHistory(lines: number): Promise<void> {
    this.#lines = lines;
    if (!(await exists(this.#history))) return;
    await files.truncateFile(this.#history, endOfLine(await files.readWhole(this.#history), lines));
  }

  /** Reads a JSON file of the folder; undefined where it is missing or none. */
  async readJson(name: string): Promise<object | undefined> {
    if (!(await files.isFile(this.#inside(name)))) return undefined;
    try {
      const text = new TextDecoder().decode(await files.readWhole(this.#inside(name)));
      return JSON.parse(text) as object;
    } catch {
      return undefined;
    }
  }

  /** Writes a file of the folder as JSON, whole or not at all. */
  async writeJson(name: string, value: unknown): Promise<void> {
    await files.writeFileAtomic(this.#inside(name), `${JSON.stringify(value, null, 2)}\n`);
  }

  #inside(name: string): string {
    return `${this.path.replace(/[/\\\\]+$/, '')}/${name}`;
  }
}

async function exists(path: string): Promise<boolean> {
  return (await files.isFile(path)) || files.isFolder(path);
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
