// All that the page may ask of its engine.
import { datasetFrom, useBackend } from 'bertresnet';
import type { BertResNetModel, Dataset, ImageSource } from 'bertresnet';
import { splits } from '../protocol.js';
import type {
  Answer,
  Columns,
  DataProblem,
  DataSummary,
  Device,
  Engine,
  Estimate,
  Mode,
  News,
  Outcome,
  PickedFile,
  Probabilities,
  Question,
  RowView,
  SavedRun,
  Setup,
  Split,
} from '../protocol.js';
import { sizes } from '../sizes.js';
import { areRows } from './divide.js';
import type { Rows } from './divide.js';
import { estimate } from './estimate.js';
import { buildModel } from './model.js';
import { openPicked, openZip } from './openRows.js';
import { prepare } from './pictures.js';
import type { Prepared } from './pictures.js';
import { forgetSession, savedSession, saveSession } from './session.js';
import type { Source } from './session.js';
import { filesIn, keptFolder } from './storage.js';
import { asOnlyTab, inTurnOfTabs, someTabTrains } from './tabs.js';
import { train } from './training.js';
import { Turns } from './turns.js';
import { zipOf } from './zipFiles.js';

const exportFolder = 'export';
const firstPixels = sizes.tiny.pixels;

/** Rows that are open, and what was made of them. */
interface Opened {
  readonly rows: Rows;
  readonly source: Source;
  /** By the size of the pictures. */
  readonly prepared: Map<number, Promise<Prepared>>;
}

export class TabEngine implements Engine {
  readonly #tell: (news: News) => void;
  readonly #turns = new Turns();
  #opened: Opened | undefined;
  #opening: Promise<unknown> = Promise.resolve();
  #model: BertResNetModel | undefined;
  #outcome: Outcome | undefined;
  /** The rows of the run whose outcome that is. */
  #tested: Record<Split, Dataset> | undefined;
  #run = new AbortController();
  /** Measuring, which ends before anything else is computed. */
  #estimating: { readonly abort: AbortController; readonly done: Promise<unknown> } | undefined;

  constructor(tell: (news: News) => void) {
    this.#tell = tell;
  }

  async start(): Promise<Device> {
    const backend = await useBackend('auto', { onAdvice: () => {} });
    const files = performance.getEntriesByType('resource').map(({ name }) => name);
    return { backend, name: deviceName(backend), files };
  }

  openEmoji(): Promise<DataSummary> {
    return this.#inTurn(async () => {
      const response = await fetch('emoji.zip');
      if (!response.ok) throw new Error(`The emoji could not be loaded (${response.status}).`);
      const rows = await openZip(await response.blob(), 'emoji');
      const summary = await this.#open({ kind: 'emoji' }, rows);
      if ('problem' in summary) throw new Error(summary.problem.join('\n'));
      return summary;
    });
  }

  openFiles(files: readonly PickedFile[], columns?: Columns): Promise<DataSummary | DataProblem> {
    return this.#inTurn(async () => {
      const result = await openPicked(files, columns);
      const name = areRows(result) ? result.summary.name : '';
      return this.#open({ kind: 'files', name, files, columns }, result);
    });
  }

  /** Opens after what is being opened: the rows that were asked for last are those that stay. */
  #inTurn<T>(open: () => Promise<T>): Promise<T> {
    const result = this.#opening.then(open);
    this.#opening = result.catch(() => {});
    return result;
  }

  async #open(source: Source, result: Rows | DataProblem): Promise<DataSummary | DataProblem> {
    await this.#stopEstimating();
    this.#drop();
    if (!areRows(result)) return result;
    this.#opened = { rows: result, source, prepared: new Map() };
    const { broken } = await this.#prepare(firstPixels);
    const { summary } = result;
    return { ...summary, warnings: [...summary.warnings, ...brokenWarning(broken)] };
  }

  /** Forgets rows and model. */
  #drop(): void {
    this.#model?.dispose();
    this.#model = this.#outcome = this.#tested = this.#opened = undefined;
  }

  #prepare(pixels: number): Promise<Prepared> {
    const { rows, prepared } = this.#rows();
    const known = prepared.get(pixels);
    if (known !== undefined) return known;
    const what = 'Reading the pictures';
    const work = prepare(rows, pixels, (done, total) =>
      this.#tell({ kind: 'progress', what, done, total }),
    );
    prepared.clear(); // those of one size are enough to keep
    prepared.set(pixels, work);
    return work;
  }

  #rows(): Opened {
    if (this.#opened === undefined) throw new Error('There are no rows yet.');
    return this.#opened;
  }

  async rows(start: number, count: number): Promise<RowView[]> {
    const { size } = this.#rows().rows.dataset;
    return this.#views(
      Array.from({ length: Math.max(0, Math.min(count, size - start)) }, (_, i) => start + i),
    );
  }

  async samples(count: number): Promise<RowView[]> {
    const { splitOf } = this.#rows().rows;
    const unseen = splitOf.flatMap((which, position) => (which === 'test' ? [position] : []));
    const some = Math.min(count, unseen.length);
    return this.#views(
      Array.from(
        { length: some },
        (_, i) => unseen[Math.floor(((i + 0.5) * unseen.length) / some)]!,
      ),
    );
  }

  async #views(positions: readonly number[]): Promise<RowView[]> {
    const { dataset, splitOf } = this.#rows().rows;
    const rows = await dataset.examples(positions);
    return Promise.all(
      rows.map(async ({ text, image, label }, i) => ({
        number: dataset.rowNumber(positions[i]!),
        text,
        image: image === undefined ? undefined : await blobOf(image),
        label: dataset.labels[label!]!,
        split: splitOf[positions[i]!]!,
      })),
    );
  }

  /** The parts as data sets for this setup. */
  async #parts({ size }: Setup): Promise<Record<Split, Dataset>> {
    const { rows } = this.#rows();
    const { parts, numbers } = await this.#prepare(sizes[size].pixels);
    const { labels } = rows.dataset;
    const sets = splits.map((name) => {
      const describe = (position: number): string => `row ${numbers[name][position]}`;
      return [name, { ...datasetFrom(parts[name], { labels, name }), describe }] as const;
    });
    return Object.fromEntries(sets) as Record<Split, Dataset>;
  }

  async #build(setup: Setup): Promise<BertResNetModel> {
    const { rows } = this.#rows();
    const { parts } = await this.#prepare(sizes[setup.size].pixels);
    const texts = parts.train.flatMap(({ text }) => (text === undefined ? [] : [text]));
    return buildModel(setup, rows.dataset.labels, texts, await vocabulary());
  }

  async estimate(setup: Setup): Promise<Estimate> {
    await this.#stopEstimating();
    const abort = new AbortController();
    const work = async (): Promise<Estimate> => {
      const parts = await this.#parts(setup);
      const model = await this.#build(setup);
      try {
        return await estimate(model, parts, setup, abort.signal);
      } finally {
        model.dispose();
      }
    };
    const result = work();
    this.#estimating = { abort, done: result.catch(() => {}) };
    return result;
  }

  async #stopEstimating(): Promise<void> {
    this.#estimating?.abort.abort();
    await this.#estimating?.done;
    this.#estimating = undefined;
  }

  async train(setup: Setup, resume = false): Promise<Outcome> {
    await this.#stopEstimating();
    return asOnlyTab(() => this.#train(setup, resume));
  }

  async #train(setup: Setup, resume: boolean): Promise<Outcome> {
    const { rows, source } = this.#rows();
    const parts = await this.#parts(setup);
    this.#model?.dispose();
    this.#outcome = this.#tested = undefined;
    this.#run = new AbortController();
    this.#turns.begin();
    try {
      this.#model = await this.#build(setup);
      if (!resume) await saveSession(source, setup);
      const { signal } = this.#run;
      const task = {
        model: this.#model,
        parts,
        setup,
        resume,
        signal,
        turns: this.#turns,
        tell: this.#tell,
      };
      this.#outcome = { report: await train(task), labels: rows.dataset.labels };
      this.#tested = parts;
      return this.#outcome;
    } finally {
      await this.#turns.end();
    }
  }

  async pause(): Promise<void> {
    this.#turns.pause();
  }

  async resume(): Promise<void> {
    this.#turns.resume();
  }

  async stop(): Promise<void> {
    this.#run.abort();
    this.#turns.resume();
  }

  ask({ text, image }: Question): Promise<Answer> {
    return this.#turns.take(async () => {
      const model = this.#trained();
      const modes = modesOf(text, image);
      const answers: Partial<Record<Mode, Probabilities>> = {};
      for (const mode of modes) {
        const [answer] = await model.predict([{ text, image }], { mode });
        answers[mode] = answer!.probabilities;
      }
      return { modes: answers, prior: this.#prior() };
    });
  }

  #trained(): BertResNetModel {
    if (this.#model === undefined) throw new Error('There is no model yet.');
    return this.#model;
  }

  /** The shares of the labels among the rows to learn from. */
  #prior(): Probabilities {
    const { dataset, parts } = this.#rows().rows;
    const counts = dataset.labels.map(() => 0);
    for (let i = 0; i < parts.train.size; i++) counts[parts.train.labelOf!(i)]!++;
    return Object.fromEntries(
      dataset.labels.map((label, i) => [label, counts[i]! / parts.train.size]),
    );
  }

  async model(): Promise<Blob> {
    const model = this.#trained();
    return inTurnOfTabs(exportFolder, async () => {
      await model.save(`${keptFolder}/${exportFolder}`);
      return zipOf('model', await filesIn(exportFolder));
    });
  }

  async metrics(): Promise<Blob> {
    if (this.#outcome === undefined) throw new Error('There are no metrics yet.');
    return new Blob([`${JSON.stringify(this.#outcome.report, null, 2)}\n`], {
      type: 'application/json',
    });
  }

  report(): Promise<Blob> {
    return this.#turns.take(async () => {
      if (this.#tested === undefined) throw new Error('There is no report yet.');
      const { reportPage } = await import('./report.js');
      return reportPage(this.#rows().rows.summary.name, this.#trained(), this.#tested);
    });
  }

  async savedRun(): Promise<SavedRun | null> {
    // What another tab is at is not an earlier visit's.
    const saved = (await someTabTrains()) ? null : await savedSession();
    return saved && { setup: saved.setup, name: saved.name, epochs: saved.epochs };
  }

  async restore(): Promise<DataSummary | DataProblem> {
    const saved = await savedSession();
    if (saved === null) throw new Error('The run of your last visit is gone.');
    const { source } = saved;
    return source.kind === 'emoji'
      ? this.openEmoji()
      : this.openFiles(source.files, source.columns);
  }

  forget(): Promise<void> {
    return asOnlyTab(forgetSession);
  }
}

function modesOf(text: string | undefined, image: Blob | undefined): Mode[] {
  if (text !== undefined) return image === undefined ? ['text'] : ['text', 'image', 'both'];
  return image === undefined ? [] : ['image'];
}

let words: Promise<string[]> | undefined;

/** The vocabulary of bert-base-uncased. */
function vocabulary(): Promise<string[]> {
  words ??= fetch('vocab.txt').then(async (response) =>
    (await response.text()).trimEnd().split('\n'),
  );
  return words;
}

async function blobOf(image: ImageSource): Promise<Blob> {
  if (image instanceof Blob) return image;
  if (typeof image === 'object' && 'read' in image)
    return new Blob([new Uint8Array(await image.read())]);
  throw new Error('internal: pictures of files are files');
}

function brokenWarning(rows: readonly number[]): string[] {
  if (rows.length === 0) return [];
  const some = rows.slice(0, 5).join(', ') + (rows.length > 5 ? ', …' : '');
  const many =
    rows.length === 1
      ? `The picture of row ${some} cannot be read`
      : `The pictures of ${rows.length} rows (${some}) cannot be read`;
  return [`${many}: not a whole JPEG, PNG, WebP or GIF.`];
}

const backendNames: Readonly<Record<string, string>> = {
  webgpu: 'WebGPU',
  webgl: 'WebGL',
  cpu: 'JavaScript',
};

function deviceName(backend: string): string {
  const other = backendNames[backend];
  if (other !== undefined) return other;
  const threads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  return `WebAssembly, ${threads === 1 ? '1 thread' : `${threads} threads`}`;
}
