import type { Mode } from '../fusion/fusion.js';
import type { EpochRecord, StepRecord } from '../training/records.js';
import { smoothed } from './axis.js';
import { lineChart } from './chart.js';
import type { Series } from './chart.js';
import { decimal, percent, wholePercent } from './figures.js';
import { html } from './html.js';
import type { Html } from './html.js';
import type { Section } from './page.js';

/** How many points a line of steps is drawn with. */
const mostPoints = 150;

/** What modes are called. */
export const modeNames: Readonly<Record<Mode, string>> = {
  text: 'text alone',
  image: 'image alone',
  both: 'text and image',
};

/** What rows are called by what they have. */
export const presenceNames: Readonly<Record<Mode, string>> = {
  text: 'a text only',
  image: 'a picture only',
  both: 'both',
};

/** The epochs of a history. */
export function epochsOf(history: readonly (StepRecord | EpochRecord)[]): EpochRecord[] {
  return history.filter((record) => record.kind === 'epoch');
}

/** The epoch that was kept; nothing where there were no validation rows. */
export function keptEpoch(history: readonly (StepRecord | EpochRecord)[]): EpochRecord | undefined {
  return epochsOf(history).findLast(({ best, validation }) => best && validation !== undefined);
}

/** How the loss fell and the accuracy rose. */
export function learningCurves(history: readonly (StepRecord | EpochRecord)[]): Section {
  const epochs = epochsOf(history);
  const best = keptEpoch(history);
  const mark = best && { x: best.epoch, name: `best: ${best.epoch}` };
  const content = html`<p class="quiet">
      ${
        best === undefined
          ? 'There were no validation rows: the last epoch was kept.'
          : `Epoch ${best.epoch} of ${epochs.length} was kept. The training loss counts what training
             adds to it, such as the losses of the single inputs, dropout and label smoothing.`
      }
    </p>
    <div class="grid">
      ${lineChart({
        title: 'Loss',
        x: 'epoch',
        series: [stepLoss(history), trainLoss(epochs), ...validationLoss(epochs)],
        mark,
        format: decimal,
      })}
      ${accuracyChart(epochs, mark)}
    </div>`;
  return { id: 'curves', title: 'Learning curves', content };
}

function stepLoss(history: readonly (StepRecord | EpochRecord)[]): Series {
  const steps = history.filter((record) => record.kind === 'step');
  const epochs = epochsOf(history);
  const perEpoch = (epochs.at(-1)?.step ?? steps.length) / (epochs.at(-1)?.epoch ?? 1);
  const points = steps.flatMap(({ step, loss }) =>
    loss === null ? [] : [[step / perEpoch, loss] as const],
  );
  return { name: 'training, by step', points: smoothed(points, mostPoints), faint: true };
}

function trainLoss(epochs: readonly EpochRecord[]): Series {
  return { name: 'training', points: epochs.map(({ epoch, loss }) => [epoch, loss]) };
}

function validationLoss(epochs: readonly EpochRecord[]): Series[] {
  const points = epochs.flatMap(({ epoch, validation }) =>
    validation?.loss === undefined || validation.loss === null
      ? []
      : [[epoch, validation.loss] as const],
  );
  return [{ name: 'validation', points }];
}

function accuracyChart(
  epochs: readonly EpochRecord[],
  mark: { readonly x: number; readonly name: string } | undefined,
): Html | false {
  const measured = epochs.filter(({ validation }) => validation !== undefined);
  if (measured.length === 0) return false;
  const modes = Object.keys(measured[0]!.validation!.modes) as Mode[];
  const of = (mode: Mode): Series => ({
    name: modeNames[mode],
    points: measured.flatMap(({ epoch, validation }) => {
      const accuracy = validation!.modes[mode]?.accuracy;
      return typeof accuracy === 'number' ? [[epoch, accuracy] as const] : [];
    }),
  });
  return lineChart({
    title: 'Accuracy on validation',
    x: 'epoch',
    series: modes.toReversed().map(of),
    mark,
    format: percent,
    ticks: wholePercent,
  });
}
