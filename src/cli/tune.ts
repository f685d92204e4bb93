import {
  InputError,
  Trainer,
  bestFirst,
  checkSearch,
  formatSeconds,
  isMinimized,
} from '../index.js';
import type {
  BertResNetModel,
  EpochRecord,
  FitOptions,
  Monitor,
  TrainingOptions,
  Trial,
} from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { startEngine } from './engine.js';
import { isInterruption } from './interrupt.js';
import { optionName } from './options.js';
import { figure, plural, table } from './table.js';
import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';
import { makeModel } from './trainModel.node.js';
import { defined } from './trainOptions.js';
import type { TrainValues } from './trainOptions.js';
import { quoted } from './trainReport.node.js';
import { openRows } from './trainRows.js';
import type { Rows } from './trainRows.js';
import { cacheFolder, recordOf, trainingOptionsOf } from './trainTask.node.js';
import { SearchFolder } from './tuneFolder.node.js';
import type { TrialRecord } from './tuneFolder.node.js';
import { nextOf, options } from './tuneOptions.js';
import { beginSearch, resumeSearch } from './tuneTask.node.js';
import type { SearchTask } from './tuneTask.node.js';

async function run({ positionals, options: given, terminal, signal }: Invocation<typeof options>) {
  const task =
    given.resume === undefined
      ? await beginSearch(positionals[0], given)
      : await resumeSearch(positionals[0], given);
  checkSearch(task.search.settings);
  const rows = await openRows({ train: task.train, values: task.fixed }, terminal, 'tune');
  if (rows.validation === undefined) {
    throw new InputError(
      'tune: validation rows must tell which trial is better; leave out --val-fraction 0',
    );
  }
  await startEngine(task.fixed, terminal);
  const search = new Search(task, rows, terminal);
  const ended = await search.run(signal);
  await search.say(ended, given.json === true);
  return ended === 'interrupted' ? exitCodes.interrupted : exitCodes.ok;
}

type Ending = 'done' | 'out of time' | 'interrupted';

/** A search under way. */
class Search {
  readonly #task: SearchTask;
  readonly #rows: Rows;
  readonly #terminal: Terminal;
  readonly #trials: TrialRecord[];
  readonly #folder: SearchFolder;
  /** What every trial is given. */
  #fixed: TrainValues;
  #dropped: number;

  constructor(task: SearchTask, rows: Rows, terminal: Terminal) {
    this.#task = task;
    this.#rows = rows;
    this.#terminal = terminal;
    this.#trials = [...task.trials];
    this.#folder = new SearchFolder(task.folder);
    this.#fixed = task.fixed;
    this.#dropped = task.search.dropped ?? 0;
  }

  /**
   * Makes trials until there is none left, the time is over or somebody stops it; each is written once it is done. Of one
   * that is dropped the time is written.
   */
  async run(signal: AbortSignal): Promise<Ending> {
    const { settings, budget = Infinity } = this.#task.search;
    await this.#begin();
    for (;;) {
      const trial = nextOf(this.#trials, settings);
      if (trial === undefined) return 'done';
      const left = budget - this.#spent;
      if (left <= 0) return 'out of time';
      const what = [plural(trial.epochs, 'epoch'), wordsOf(trial)].filter((one) => one !== '');
      this.#terminal.say(`trial ${trial.trial} (${what.join(': ')}) ...`);
      const deadline = deadlineIn(left);
      const started = Date.now();
      const either = AbortSignal.any([signal, deadline.signal]);
      let record: TrialRecord;
      try {
        record = await this.#make(trial, either);
      } catch (error) {
        if (!isInterruption(error, either)) {
          await this.#takeBack();
          throw error;
        }
        await this.#drop((Date.now() - started) / 1000);
        return signal.aborted ? 'interrupted' : 'out of time';
      } finally {
        deadline.clear();
      }
      await this.#keep(record);
    }
  }

  async #begin(): Promise<void> {
    const { search, resumed } = this.#task;
    await (resumed ? this.#folder.change(() => search) : this.#folder.start(search));
  }

  /** What is refused before its first trial leaves no search behind: the command may be put right and given again. */
  async #takeBack(): Promise<void> {
    if (!this.#task.resumed && this.#trials.length === 0) await this.#folder.takeBack();
  }

  async #make(trial: Trial, signal: AbortSignal): Promise<TrialRecord> {
    const started = Date.now();
    const end = (history: readonly EpochRecord[], problem?: string): TrialRecord => ({
      kind: 'trial',
      ...trial,
      score: problem === undefined ? scoreOf(history, this.#monitor) : null,
      seconds: (Date.now() - started) / 1000,
      ...defined({ problem }),
      history,
    });
    let steps = 0;
    const onStep = (): void => void steps++;
    try {
      return end(await this.#train(trial, { signal, onStep }));
    } catch (error) {
      // What fails before its first step is refused, and where nothing came to an end, for what was given to all.
      const known = steps > 0 || this.#trials.some(({ score }) => score !== null);
      if (isInterruption(error, signal) || !known || !(error instanceof Error)) throw error;
      return end([], error.message);
    }
  }

  async #train(trial: Trial, listeners: FitOptions): Promise<EpochRecord[]> {
    const model = await makeModel(valuesOf(this.#fixed, trial), this.#rows.train.labels);
    try {
      if (this.#trials.length === 0) await this.#settle(model, trial);
      const values = valuesOf(this.#fixed, trial);
      const { gradientCheckpointing, evalBatchSize } = values;
      const trainer = new Trainer(model, {
        ...(await trainedBy(values)),
        ...defined({ gradientCheckpointing, evalBatchSize, cacheFeatures: cacheFolder(values) }),
        onWarning: () => {},
      });
      return await trainer.fit(this.#rows.train, {
        validation: this.#rows.validation,
        ...listeners,
      });
    } finally {
      model.dispose();
    }
  }

  /**
   * Gives all trials the average that the model chooses where no rate is given: rates that are drawn must not take it
   * away, as one that is given does. Later ones have what the first had, also in a search that goes on.
   */
  async #settle(model: BertResNetModel, trial: Trial): Promise<void> {
    if (this.#fixed.ema !== undefined) return;
    const values = valuesOf(this.#fixed, { ...trial, options: withoutRates(trial.options) });
    const { ema } = new Trainer(model, await trainedBy(values)).options;
    if (ema === 0) return;
    this.#fixed = { ...this.#fixed, ema };
    await this.#folder.change((search) => ({ ...search, command: { ...search.command, ema } }));
  }

  async #drop(seconds: number): Promise<void> {
    this.#dropped += seconds;
    await this.#folder.change((search) => ({ ...search, dropped: this.#dropped }));
  }

  async #keep(record: TrialRecord): Promise<void> {
    await this.#folder.append(record);
    this.#trials.push(record);
    const [trial, , score, time, what] = cellsOf(record);
    this.#terminal.say(
      `trial ${trial}, ${plural(record.epochs, 'epoch')}: ${this.#monitor} ${score} in ${time} (${what})` +
        (record.problem === undefined ? '' : `: ${record.problem}`),
    );
    const [best] = bestFirst(this.#trials);
    if (best !== record) return;
    const { train, folder } = this.#task;
    const values = valuesOf(this.#fixed, best);
    await this.#folder.writeBest(await recordOf({ train, folder, resume: false, values }), best);
  }

  /** The seconds of all trials, of those that were dropped too. */
  get #spent(): number {
    return this.#trials.reduce((sum, { seconds }) => sum + seconds, this.#dropped);
  }

  get #monitor(): Monitor {
    return this.#fixed.monitor ?? 'accuracy';
  }

  /** Prints the trials, the best first, and what to do next. */
  async say(ending: Ending, asJson: boolean): Promise<void> {
    const { folder } = this.#task;
    const best = bestFirst(this.#trials);
    const others = this.#trials.filter(({ score }) => score === null);
    const all = [...best, ...others];
    if (asJson) this.#terminal.out(JSON.stringify({ ending, trials: all }, null, 2));
    else if (all.length > 0) {
      const header = ['trial', 'epochs', this.#monitor, 'time', 'options'];
      const [head, ...lines] = table([header, ...all.map(cellsOf)].map((row) => row.slice(0, 4)));
      this.#terminal.out(`${head}  options`);
      lines.forEach((line, i) => this.#terminal.out(`${line}  ${cellsOf(all[i]!)[4]}`));
    }
    const more = `bertresnet tune --resume ${quoted(folder)}`;
    if (ending === 'interrupted') this.#terminal.say(`Stopped. To go on: ${more}`);
    if (ending === 'out of time')
      this.#terminal.say(
        `The time is over. To go on: ${more} --budget TIME (${formatSeconds(this.#spent)} of it are spent)`,
      );
    if (best.length === 0) this.#terminal.say('No trial came to an end.');
    else
      this.#terminal.say(
        `best: trial ${best[0]!.trial} (bertresnet train --config ${quoted(this.#folder.best)} trains it)`,
      );
  }
}

/** What trains a trial. It has no folder to keep adapters in: the run of the best configuration keeps its own. */
async function trainedBy(values: TrainValues): Promise<TrainingOptions> {
  const { lora, ...others } = await trainingOptionsOf(values);
  return { ...others, ...(lora && { lora: { ...lora, keepAdapter: false } }) };
}

/** The figure of the best epoch, larger for better; null where there is none. */
function scoreOf(history: readonly EpochRecord[], monitor: Monitor): number | null {
  const figures = history.flatMap(({ validation }) => validation?.[monitor] ?? []);
  if (figures.length === 0) return null;
  return isMinimized(monitor) ? -Math.min(...figures) : Math.max(...figures);
}

/** What a trial gives `train`. */
function valuesOf(fixed: TrainValues, { options: drawn, epochs }: Trial): TrainValues {
  const chosen = Object.entries(drawn).filter(([, value]) => value !== null);
  return { ...fixed, ...(Object.fromEntries(chosen) as TrainValues), epochs };
}

/** What was drawn but rates, and the average that goes with them. */
function withoutRates(drawn: Trial['options']): Trial['options'] {
  const rates = ['learningRate', 'textLearningRate', 'imageLearningRate', 'headLearningRate'];
  const entries = Object.entries(drawn).filter(([key]) => key !== 'ema' && !rates.includes(key));
  return Object.fromEntries(entries);
}

function cellsOf(record: TrialRecord): string[] {
  const { trial, epochs, score, seconds } = record;
  const shown = score === null ? null : Math.abs(score);
  return [String(trial), String(epochs), figure(shown), formatSeconds(seconds), wordsOf(record)];
}

/** What a trial tries, in the words of a command line. */
function wordsOf({ options: drawn }: Trial): string {
  return Object.entries(drawn)
    .filter(([, value]) => value !== null && value !== false)
    .map(([key, value]) => [
      `--${optionName(key)}`,
      ...(value === true ? [] : [quoted(String(value))]),
    ])
    .map((words) => words.join(' '))
    .join(' ');
}

/** A signal that is aborted in so many seconds. */
function deadlineIn(seconds: number): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  if (seconds === Infinity) return { signal: controller.signal, clear: () => {} };
  // A timer takes no more than 2^31 milliseconds.
  const timer = setTimeout(() => controller.abort(), Math.min(seconds * 1000, 2 ** 31 - 1));
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}

/** `bertresnet tune`: a search for a configuration. */
export const tuneCommand = defineCommand({
  name: 'tune',
  summary: 'Search rates, fusion and freezing; what is given stays as it is',
  positionals: [{ name: 'CSV', help: 'The rows to train on', optional: true }],
  options,
  examples: [
    'tune train.csv --val val.csv --exclude val.csv --text path/to/bert --budget 2h',
    'tune train.csv --fusion gmu --trials 12 --max-epochs 8',
    'tune --resume results/tune --budget 4h',
  ],
  run,
});
