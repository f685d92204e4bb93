// Step 3: the run, live.
import type { EvaluationReport } from 'bertresnet';
import type { Engine, EpochNews, Mode, StepNews } from '../protocol.js';
import { confusionTable } from './confusion.js';
import { announce, byId, h, setText, withStyle } from './dom.js';
import { about, count, counted, decimal, modeNames, percent } from './format.js';
import { LineChart } from './lineChart.js';
import type { Point } from './lineChart.js';
import { chosenSetup } from './modelStep.js';
import { change, isRunning, messageOf, noRun, state, watch } from './store.js';
import type { State } from './store.js';

const modes = ['both', 'text', 'image'] as const;
const announceEvery = 15_000;

/** Builds the step, and follows the run. */
export function trainStep(engine: Engine): void {
  const view = new TrainView(engine);
  byId('training').append(view.root);
  watch((now, before) => view.update(now, before));
}

/** Starts a run, or goes on with the saved one; the page follows it by its news. */
export async function startRun(engine: Engine, resume = false): Promise<void> {
  const setup = chosenSetup(); // before the form is locked, which empties it
  change({ ...noRun, phase: 'preparing', preparing: 'Getting ready' });
  try {
    const outcome = await engine.train(setup, resume);
    change({ phase: 'trained', outcome });
    announce(
      `Training has ended. Accuracy on rows held back: ${percent(outcome.report.accuracy)}.`,
    );
  } catch (error) {
    change({ phase: 'idle', trainProblem: messageOf(error) });
  }
}

class TrainView {
  readonly root: HTMLElement;
  readonly #engine: Engine;
  readonly #main = h(
    'button',
    { type: 'button', class: 'primary', id: 'train-main' },
    'Start training',
  );
  readonly #stop = h('button', { type: 'button', id: 'train-stop' }, 'Stop here');
  readonly #bar = h('progress', { max: 1, value: 0, 'aria-label': 'Training' });
  readonly #where = h('p', { class: 'where' });
  readonly #problem = h('div', { role: 'alert' });
  readonly #tiles = {
    left: new Tile('Time left'),
    loss: new Tile('Loss'),
    accuracy: new Tile('Accuracy, rows to check'),
    speed: new Tile('Rows a second'),
  };
  readonly #loss = new LineChart({
    title: 'Loss',
    xName: 'step',
    format: (y) => decimal(y),
    names: [
      { name: 'learning, all three heads', kind: 'loss' },
      { name: 'checking', kind: 'validation' },
    ],
  });
  readonly #accuracy = new LineChart({
    title: 'Accuracy on rows to check',
    xName: 'step',
    format: percent,
    yMax: 1,
    names: modes.map((mode) => ({ name: modeNames[mode].toLowerCase(), kind: mode })),
  });
  readonly #table = h('tbody');
  readonly #confusion = h('div', {
    class: 'scroll',
    tabindex: 0,
    role: 'region',
    'aria-label': 'Confusion matrix',
  });
  readonly #confusionTitle = h('h3', {}, 'Which labels it confuses');
  readonly #comparison = h('div', { class: 'card comparison' });
  #announced = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#main.addEventListener('click', () => this.#press());
    this.#stop.addEventListener('click', () => {
      change({ phase: 'stopping' });
      void engine.stop();
    });
    const tiles = Object.values(this.#tiles).map(({ root }) => root);
    this.root = h('div', { class: 'train' }, [
      h('div', { class: 'controls' }, [
        this.#main,
        this.#stop,
        h('div', { class: 'progress' }, [this.#bar, this.#where]),
      ]),
      this.#problem,
      h('dl', { class: 'figures tiles' }, tiles),
      h('div', { class: 'charts' }, [this.#loss.root, this.#accuracy.root]),
      this.#history(),
      h('div', { class: 'charts' }, [
        h('div', { class: 'card' }, [
          this.#confusionTitle,
          h(
            'p',
            { class: 'muted small' },
            'A row for each right label, a column for each answer. On the diagonal it was right.',
          ),
          this.#confusion,
        ]),
        this.#comparison,
      ]),
    ]);
  }

  #history(): HTMLElement {
    const head = [
      'Pass',
      'Loss, learning',
      'Loss, checking',
      ...modes.map((mode) => `Accuracy, ${modeNames[mode].toLowerCase()}`),
      '',
    ];
    return h('details', { class: 'help' }, [
      h('summary', {}, 'The curves as a table'),
      h(
        'div',
        { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'The curves as a table' },
        [
          h('table', {}, [
            h('caption', { class: 'visually-hidden' }, 'Loss and accuracy after each pass'),
            h('thead', {}, [
              h(
                'tr',
                {},
                head.map((name) => (name === '' ? h('td') : h('th', { scope: 'col' }, name))),
              ),
            ]),
            this.#table,
          ]),
        ],
      ),
    ]);
  }

  #press(): void {
    const { phase } = state();
    if (phase === 'training') {
      change({ phase: 'paused' });
      announce('Paused.');
      void this.#engine.pause();
    } else if (phase === 'paused') {
      change({ phase: 'training' });
      announce('Going on.');
      void this.#engine.resume();
    } else if (!isRunning(state())) {
      announce('Training starts.');
      void startRun(this.#engine);
    }
  }

  update(now: State, before: State): void {
    this.#controls(now);
    if (now.steps !== before.steps || now.epochs !== before.epochs || now === before)
      this.#live(now);
    if (now.epochs !== before.epochs || now === before) this.#perEpoch(now);
    if (now.outcome !== before.outcome || now.epochs !== before.epochs || now === before)
      this.#compare(now);
    if (now.trainProblem !== before.trainProblem) {
      this.#problem.replaceChildren(
        ...(now.trainProblem === undefined
          ? []
          : [h('div', { class: 'problem' }, [h('p', {}, now.trainProblem)])]),
      );
    }
  }

  #controls(now: State): void {
    const names = {
      idle: 'Start training',
      preparing: 'Getting ready…',
      training: 'Pause',
      paused: 'Resume',
      stopping: 'Ending…',
      trained: 'Train again',
    };
    setText(this.#main, names[now.phase]);
    this.#main.classList.toggle('primary', now.phase !== 'training');
    this.#main.disabled =
      now.data === undefined || now.phase === 'preparing' || now.phase === 'stopping';
    this.#stop.hidden = now.phase !== 'training' && now.phase !== 'paused';
    setText(this.#where, where(now));
    const last = now.steps.at(-1);
    this.#bar.value = now.phase === 'trained' ? 1 : last === undefined ? 0 : last.step / last.steps;
  }

  #live({ steps, epochs, phase }: State): void {
    const last = steps.at(-1);
    const { left, loss, accuracy, speed } = this.#tiles;
    left.show(
      last === undefined
        ? '–'
        : last.step === last.steps || phase === 'trained'
          ? 'done'
          : about(last.secondsLeft),
    );
    loss.show(decimal(smoothed(steps).at(-1)?.[1]));
    const validated = epochs.at(-1)?.validation.accuracy ?? undefined;
    accuracy.show(validated === undefined ? '–' : percent(validated));
    speed.show(last === undefined ? '–' : count(Math.round(last.rowsPerSecond)));
    const xMax = last?.steps ?? 1;
    this.#loss.update(
      [
        {
          name: 'learning, all three heads',
          kind: 'loss',
          points: smoothed(steps),
          cloud: raw(steps),
        },
        { name: 'checking', kind: 'validation', points: validationLosses(epochs) },
      ],
      xMax,
    );
    this.#accuracy.update(
      modes.map((mode) => ({
        name: modeNames[mode].toLowerCase(),
        kind: mode,
        points: accuracies(epochs, mode),
      })),
      xMax,
    );
  }

  #perEpoch(now: State): void {
    const { epochs, data } = now;
    this.#table.replaceChildren(...epochs.map(epochRow));
    const last = epochs.at(-1);
    if (last === undefined || data === undefined) return;
    if (Date.now() - this.#announced < announceEvery) return;
    this.#announced = Date.now();
    const left = now.steps.at(-1)?.secondsLeft ?? 0;
    announce(
      `Pass ${last.epoch}: accuracy ${percent(last.validation.accuracy ?? 0)}, about ${about(left)} left.`,
    );
  }

  /** The confusion matrix and the three ways of answering: of the test rows at the end, of those to check before. */
  #compare({ outcome, epochs, data }: State): void {
    const report = outcome?.report ?? epochs.at(-1)?.report;
    const names = outcome?.labels ?? data?.labels.map(({ name }) => name).toSorted() ?? [];
    const rows = outcome === undefined ? 'rows to check' : 'rows held back';
    setText(
      this.#confusionTitle,
      report === undefined
        ? 'Which labels it confuses'
        : `Which labels it confuses (${count(report.rows)} ${rows})`,
    );
    this.#confusion.replaceChildren(
      report === undefined
        ? placeholder('Appears after the first pass over the rows.')
        : confusionTable(report.confusion, names),
    );
    this.#comparison.replaceChildren(
      h('h3', {}, 'What each input is worth'),
      h(
        'p',
        { class: 'muted small' },
        outcome === undefined
          ? 'Accuracy on the rows to check, so far.'
          : 'Accuracy on rows that it has never seen.',
      ),
      ...(report === undefined
        ? [placeholder('Text only, picture only and both are compared after each pass.')]
        : [
            worth(report.modes),
            verdict(report.modes, outcome !== undefined),
            byLabel(report.modes),
          ]),
    );
  }
}

/** A figure and what it is. */
class Tile {
  readonly #value = h('dd', {}, '–');
  readonly root: HTMLElement;

  constructor(name: string) {
    this.root = h('div', {}, [this.#value, h('dt', {}, name)]);
  }

  show(value: string): void {
    setText(this.#value, value);
  }
}

type ModeReports = EvaluationReport['modes'];

function worth(reports: ModeReports): HTMLElement {
  const rows = (['text', 'image', 'both'] as const).flatMap((mode) => {
    const report = reports[mode];
    if (report === undefined) return [];
    const bar = withStyle(h('span', { class: 'bar', 'aria-hidden': true }), {
      '--share': `${100 * report.accuracy}%`,
    });
    return [
      h('li', { class: `of-${mode}` }, [
        h('span', {}, modeNames[mode]),
        bar,
        h('b', {}, percent(report.accuracy)),
      ]),
    ];
  });
  return h('ul', { class: 'worth' }, rows);
}

function verdict(reports: ModeReports, final: boolean): HTMLElement {
  const { text, image, both } = reports;
  if (text === undefined || image === undefined || both === undefined) {
    return h('p', {}, 'The rows have one kind of input, so there is nothing to compare.');
  }
  const better =
    text.accuracy >= image.accuracy
      ? { name: 'the text', report: text }
      : { name: 'the picture', report: image };
  const gain = Math.round(100 * (both.accuracy - better.report.accuracy));
  const soFar = final ? '' : ' so far';
  if (gain > 0)
    return h(
      'p',
      {},
      `Together they are right ${counted(gain, 'point')} more often than ${better.name} alone${soFar}.`,
    );
  if (gain === 0) return h('p', {}, `Together they are as good as ${better.name} alone${soFar}.`);
  return h(
    'p',
    {},
    `${capital(better.name)} alone is ${counted(-gain, 'point')} better than both${soFar}: try another way of joining them, or more passes.`,
  );
}

const mostLabels = 12;

/** How many of the rows of each label are found, by each input and by both. */
function byLabel(reports: ModeReports): HTMLElement {
  const shown = (['text', 'image', 'both'] as const).filter((mode) => reports[mode] !== undefined);
  const labels = Object.keys(reports[shown[0]!]!.perClass).slice(0, mostLabels);
  const head = shown.map((mode) =>
    h('th', { scope: 'col', class: `of-${mode}` }, shortNames[mode]),
  );
  const rows = labels.map((label) => {
    const cells = shown.map((mode) => {
      const { recall, support } = reports[mode]!.perClass[label]!;
      return h('td', {}, support === 0 ? '–' : percent(recall));
    });
    return h('tr', {}, [h('th', { scope: 'row' }, label), ...cells]);
  });
  return h('table', { class: 'by-label' }, [
    h('caption', { class: 'visually-hidden' }, 'How many of the rows of each label are found'),
    h('thead', {}, [h('tr', {}, [h('th', { scope: 'col' }, 'Found, by label'), ...head])]),
    h('tbody', {}, rows),
  ]);
}

const shortNames = { text: 'Text', image: 'Picture', both: 'Both' } as const;

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function placeholder(text: string): HTMLElement {
  return h('p', { class: 'placeholder' }, text);
}

function where({ phase, data, preparing, steps, trainProblem }: State): string {
  if (data === undefined) return 'Load some rows first (step 1).';
  if (phase === 'preparing') return `${preparing ?? 'Getting ready'}…`;
  const last = steps.at(-1);
  if (last === undefined)
    return trainProblem === undefined ? 'Ready to start.' : 'It did not start.';
  const at = `pass ${last.epoch} of ${last.epochs}, step ${count(last.step)} of ${count(last.steps)}`;
  if (phase === 'trained') return `Done after ${at}. The best pass is kept.`;
  if (phase === 'paused') return `Paused in ${at}. Nothing is lost.`;
  if (phase === 'stopping') return 'Ending: the best pass is taken and checked.';
  if (phase === 'idle') return `Ended in ${at}.`;
  return `${capital(at)}, about ${about(last.secondsLeft)} left`;
}

const raw = (steps: readonly StepNews[]): Point[] =>
  steps.flatMap(({ step, loss }): Point[] => (loss === null ? [] : [[step, loss]]));

/** An exponential mean of the losses, without the bias of its beginning. */
function smoothed(steps: readonly StepNews[]): Point[] {
  let [mean, weight] = [0, 0];
  return raw(steps).map(([step, loss]) => {
    mean = 0.9 * mean + 0.1 * loss;
    weight = 0.9 * weight + 0.1;
    return [step, mean / weight];
  });
}

function validationLosses(epochs: readonly EpochNews[]): Point[] {
  return epochs.flatMap(({ step, validation: { loss } }): Point[] =>
    loss === null ? [] : [[step, loss]],
  );
}

function accuracies(epochs: readonly EpochNews[], mode: Mode): Point[] {
  return epochs.flatMap(({ step, validation }): Point[] => {
    const accuracy = validation.modes[mode]?.accuracy ?? null;
    return accuracy === null ? [] : [[step, accuracy]];
  });
}

function epochRow({ epoch, loss, validation, best }: EpochNews): HTMLElement {
  const figures = modes.map((mode) => {
    const accuracy = validation.modes[mode]?.accuracy ?? null;
    return accuracy === null ? '–' : percent(accuracy);
  });
  const cells = [decimal(loss), decimal(validation.loss), ...figures, best ? 'best so far' : ''];
  return h('tr', {}, [
    h('th', { scope: 'row' }, String(epoch)),
    ...cells.map((text) => h('td', {}, text)),
  ]);
}
