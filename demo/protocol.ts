// What the page and its engine (a Web Worker) say to each other: the page calls, the engine answers and tells.
// Everything here can be posted between threads.
import type { EvaluationReport, Mode, ValidationFigures } from 'bertresnet';
import type { FusionName, SizeName } from './sizes.js';

export type { Mode };

/** What the engine computes on. */
export interface Device {
  readonly backend: string;
  /** How it is called for people: `WebAssembly, 4 threads`. */
  readonly name: string;
  /** The addresses of what the engine has loaded. */
  readonly files: readonly string[];
}

/** A file that was dropped or chosen. */
export interface PickedFile {
  /** Where it lies within what was dropped or chosen: `holiday/img/1.jpg`. */
  readonly path: string;
  readonly file: Blob;
}

/** Which column holds what; null for none. */
export interface Columns {
  readonly text: string | null;
  readonly image: string | null;
  readonly label: string | null;
}

export const splits = ['train', 'validation', 'test'] as const;
export type Split = (typeof splits)[number];

/** The rows that were opened. */
export interface DataSummary {
  readonly name: string;
  readonly header: readonly string[];
  readonly columns: Columns;
  /** Rows that can be used. */
  readonly rows: number;
  readonly labels: readonly { readonly name: string; readonly rows: number }[];
  readonly splits: Readonly<Record<Split, number>>;
  /** What was left out or looks odd, in plain words. */
  readonly warnings: readonly string[];
}

/** Why rows cannot be used, in plain words. */
export interface DataProblem {
  /** The first line says what is wrong, the others what to do or where. */
  readonly problem: readonly string[];
  /** Set where another choice of columns may help. */
  readonly choice?: Pick<DataSummary, 'header' | 'columns'>;
}

/** A row for people to see. */
export interface RowView {
  /** Its number in the CSV, from 1, the header not counted. */
  readonly number: number;
  readonly text?: string;
  readonly image?: Blob;
  readonly label: string;
  readonly split: Split;
}

/** What is to be trained. */
export interface Setup {
  readonly fusion: FusionName;
  readonly size: SizeName;
  readonly epochs: number;
  /** Whether words are left out and pictures varied at random. */
  readonly vary: boolean;
}

/** What a model costs, measured on this device. */
export interface Estimate {
  readonly parameters: number;
  readonly seconds: number;
}

/** A question to the model; either part may be missing. */
export interface Question {
  readonly text?: string;
  readonly image?: Blob;
}

export type Probabilities = Readonly<Record<string, number>>;

/** What the model says, by each input that it was given, and by both. */
export interface Answer {
  readonly modes: Readonly<Partial<Record<Mode, Probabilities>>>;
  /** The shares of the labels among the rows trained on: the guess of one who sees nothing. */
  readonly prior: Probabilities;
}

/** After a step of training. */
export interface StepNews {
  readonly kind: 'step';
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number | null;
  readonly secondsLeft: number;
  readonly rowsPerSecond: number;
}

/** After an epoch, and the answers to its rows of validation. */
export interface EpochNews {
  readonly kind: 'epoch';
  readonly epoch: number;
  readonly step: number;
  readonly loss: number;
  readonly validation: ValidationFigures;
  /** With the tables, but for epochs of an earlier visit. */
  readonly report?: EvaluationReport;
  readonly best: boolean;
}

/** Something takes its time. */
export interface ProgressNews {
  readonly kind: 'progress';
  /** Such as `Reading pictures`. */
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

export type News = StepNews | EpochNews | ProgressNews;

/** A training run of an earlier visit. */
export interface SavedRun {
  readonly setup: Setup;
  /** What its rows are called. */
  readonly name: string;
  /** Epochs that are done. */
  readonly epochs: number;
}

/** How a run ended. */
export interface Outcome {
  /** Of the best epoch's model on the rows held back. */
  readonly report: EvaluationReport;
  readonly labels: readonly string[];
}

/** What the page may ask of the engine. A call that fails rejects with a message for people. */
export interface Engine {
  start(): Promise<Device>;
  openEmoji(): Promise<DataSummary>;
  openFiles(files: readonly PickedFile[], columns?: Columns): Promise<DataSummary | DataProblem>;
  rows(start: number, count: number): Promise<readonly RowView[]>;
  /** Rows that the model has not seen, to try it on. */
  samples(count: number): Promise<readonly RowView[]>;
  estimate(setup: Setup): Promise<Estimate>;
  /** Trains to the end, or to `stop`; pausing holds it between two steps. `resume` goes on with the saved run. */
  train(setup: Setup, resume?: boolean): Promise<Outcome>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the run after the step under way: what was trained is kept. */
  stop(): Promise<void>;
  ask(question: Question): Promise<Answer>;
  /** The model as a zip of the files that `BertResNetModel.fromPretrained` and PyTorch read. */
  model(): Promise<Blob>;
  metrics(): Promise<Blob>;
  /** A page of HTML about the model, on the rows held back. */
  report(): Promise<Blob>;
  savedRun(): Promise<SavedRun | null>;
  /** Opens the rows of the saved run. */
  restore(): Promise<DataSummary | DataProblem>;
  forget(): Promise<void>;
}

export type Call = {
  [K in keyof Engine]: {
    readonly id: number;
    readonly name: K;
    readonly args: Parameters<Engine[K]>;
  };
}[keyof Engine];

/** From the engine: the result of a call, its failure, or news. */
export type Message =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly news: News };
