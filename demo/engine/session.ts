// What outlives the tab: the rows and the setup of the run in the run's folder.
import type { EpochRecord, StepRecord } from 'bertresnet';
import type { Columns, PickedFile, SavedRun, Setup } from '../protocol.js';
import { forgetKept, keep, readKept } from './storage.js';
import { zipOf } from './zipFiles.js';

const sessionFile = 'session.json';
const rowsFile = 'rows.zip';
/** The folder of the run within the kept one. */
export const runFolder = 'run';

/** Where the rows of a run come from. */
export type Source =
  | { readonly kind: 'emoji' }
  | {
      readonly kind: 'files';
      readonly name: string;
      readonly files: readonly PickedFile[];
      readonly columns?: Columns;
    };

/** As it is written. */
interface Session {
  readonly setup: Setup;
  readonly kind: Source['kind'];
  readonly name: string;
  readonly columns?: Columns;
}

/** Keeps what is needed to go on with a run in another visit; it need not succeed. */
export async function saveSession(source: Source, setup: Setup): Promise<void> {
  const name = source.kind === 'emoji' ? 'emoji' : source.name;
  const columns = source.kind === 'files' ? source.columns : undefined;
  const session: Session = { setup, kind: source.kind, name, columns };
  try {
    await forgetKept(sessionFile, rowsFile);
    if (source.kind === 'files') await keep(rowsFile, await packed(source.files));
    await keep(sessionFile, JSON.stringify(session));
  } catch (error) {
    console.warn('This run will not outlive the tab:', error);
  }
}

async function packed(files: readonly PickedFile[]): Promise<Blob> {
  const [first] = files;
  if (files.length === 1 && first !== undefined && /\.zip$/i.test(first.path)) return first.file;
  return zipOf('', new Map(files.map(({ path, file }) => [path, file])));
}

/** The run of an earlier visit; null where there is none. */
export async function savedSession(): Promise<(SavedRun & { readonly source: Source }) | null> {
  const file = await readKept(sessionFile);
  if (file === undefined) return null;
  try {
    const { setup, kind, name, columns } = JSON.parse(await file.text()) as Session;
    const epochs = (await historyLines()).filter((line) => line.kind === 'epoch').length;
    if (kind === 'emoji') return { setup, name, epochs, source: { kind } };
    const rows = await readKept(rowsFile);
    if (rows === undefined) return null;
    const files = [{ path: `${name.replace(/\.\w+$/, '')}.zip`, file: rows }];
    return { setup, name, epochs, source: { kind, name, files, columns } };
  } catch {
    return null;
  }
}

/** What the run's history holds so far; the last line of one that was killed may be half. */
export async function historyLines(): Promise<(StepRecord | EpochRecord)[]> {
  const file = await readKept(runFolder, 'history.jsonl');
  const lines = file === undefined ? [] : (await file.text()).split('\n');
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as StepRecord | EpochRecord];
    } catch {
      return [];
    }
  });
}

/** What the run was made with; nothing where it was not kept. */
export async function runConfiguration(): Promise<Record<string, unknown> | undefined> {
  const file = await readKept(runFolder, 'config.json');
  return file && (JSON.parse(await file.text()) as Record<string, unknown>);
}

export const forgetSession = (): Promise<void> => forgetKept(sessionFile, rowsFile, runFolder);
