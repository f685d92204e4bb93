import { access, appendFile, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, messageOf } from '../index.js';
import type { EpochRecord, SearchSettings, TrialResult } from '../index.js';
import { writeFileAtomic } from '../weights/files.node.js';
import type { TrainRecord } from './trainTask.node.js';

/** The first line of search.jsonl: what is searched. Paths are relative to the folder. */
export interface SearchRecord {
  readonly kind: 'search';
  readonly formatVersion: 1;
  readonly settings: SearchSettings;
  /** Seconds for all trials together; absent for no limit. */
  readonly budget?: number;
  /** Seconds that went into trials that were dropped; absent for none. */
  readonly dropped?: number;
  /** What every trial is given. */
  readonly command: TrainRecord;
}

/** Every other line: a trial that was made. */
export interface TrialRecord extends TrialResult {
  readonly kind: 'trial';
  readonly seconds: number;
  readonly history: readonly EpochRecord[];
  /** Why it came to nothing. */
  readonly problem?: string;
}

/** The folder of a search: `search.jsonl`, a line a trial, and `best.json`, which `train --config` takes. */
export class SearchFolder {
  /** Whether the folder was made for the search. */
  #made = false;

  constructor(readonly folder: string) {}

  get best(): string {
    return join(this.folder, 'best.json');
  }

  get #log(): string {
    return join(this.folder, 'search.jsonl');
  }

  /** @throws InputError where a search was begun here */
  async requireFree(): Promise<void> {
    if (!(await exists(this.#log))) return;
    throw new InputError(
      `tune: ${this.folder} holds a search; go on with it (--resume ${this.folder}), or name another folder (--out)`,
    );
  }

  /** Begins a search. @throws InputError where one was begun here */
  async start(record: SearchRecord): Promise<void> {
    await this.requireFree();
    this.#made = !(await exists(this.folder));
    await writeFileAtomic(this.#log, line(record));
  }

  /** Takes back the search that was begun, and the folder where it was made for it and holds nothing else. */
  async takeBack(): Promise<void> {
    await rm(this.#log, { force: true });
    if (this.#made) await rmdir(this.folder).catch(() => {});
  }

  /**
   * What was found so far. A last line that was cut off, by a process that died, is dropped.
   *
   * @throws InputError where there is no search, or its file is damaged.
   */
  async read(): Promise<{ search: SearchRecord; trials: TrialRecord[] }> {
    if (!(await exists(this.#log))) {
      throw new InputError(`tune: ${this.folder} holds no search to go on with`);
    }
    const content = await readFile(this.#log, 'utf8');
    const whole = content.slice(0, content.lastIndexOf('\n') + 1);
    if (whole !== content) await writeFileAtomic(this.#log, whole);
    const [search, ...trials] = whole
      .split('\n')
      .slice(0, -1)
      .map((one, i) => this.#parse(one, i));
    if ((search as Partial<SearchRecord> | undefined)?.formatVersion !== 1) {
      throw new InputError(`tune: ${this.#log} is not a search that this version knows`);
    }
    return { search: search as SearchRecord, trials: trials as TrialRecord[] };
  }

  #parse(text: string, i: number): SearchRecord | TrialRecord {
    try {
      return JSON.parse(text) as SearchRecord | TrialRecord;
    } catch (error) {
      throw new InputError(`tune: line ${i + 1} of ${this.#log} is damaged: ${messageOf(error)}`);
    }
  }

  /** Writes the first line anew; the trials stay. */
  async change(edit: (search: SearchRecord) => SearchRecord): Promise<void> {
    const content = await readFile(this.#log, 'utf8');
    const end = content.indexOf('\n') + 1;
    const search = this.#parse(content.slice(0, end), 0) as SearchRecord;
    await writeFileAtomic(this.#log, line(edit(search)) + content.slice(end));
  }

  /** Adds a trial. */
  append(record: TrialRecord): Promise<void> {
    return appendFile(this.#log, line(record));
  }

  /** Writes the best configuration in the form of a run's config.json. */
  writeBest(command: TrainRecord, { trial, score }: TrialRecord): Promise<void> {
    const content = { formatVersion: 1, tuned: { trial, score }, command };
    return writeFileAtomic(this.best, `${JSON.stringify(content, null, 2)}\n`);
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function line(record: SearchRecord | TrialRecord): string {
  return `${JSON.stringify(record)}\n`;
}
