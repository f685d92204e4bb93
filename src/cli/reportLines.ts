import type { EvaluationReport } from '../index.js';
import { figure, plural, table } from './table.js';

const mostLabels = 12;

/** A report for people, `labels` in the model's order: a line a mode, then each class and what it was taken for. */
export function reportLines(report: EvaluationReport, labels: readonly string[]): string[] {
  return [
    ...modeTable(report),
    ...presenceTable(report),
    '',
    ...classTable(report, labels),
    ...(labels.length > mostLabels ? [] : ['', ...confusionTable(report, labels)]),
  ];
}

/** A line of figures a mode; the calibration error before and after where the model is calibrated. */
export function modeTable({ modes }: EvaluationReport): string[] {
  const all = Object.entries(modes);
  const calibrated = all.some(([, one]) => one.calibrated !== undefined);
  const header = ['mode', 'rows', 'accuracy', 'macro F1', 'weighted F1', 'log loss', 'AUC', 'ECE'];
  const rows = all.map(([mode, one]) => {
    const { rows: seen, accuracy, macroF1, weightedF1, loss, auc, ece } = one;
    const figures = [accuracy, macroF1, weightedF1, loss, auc, ece];
    const after = calibrated ? [one.calibrated?.ece] : [];
    return [mode, String(seen), ...[...figures, ...after].map(figure)];
  });
  return table([[...header, ...(calibrated ? ['calibrated'] : [])], ...rows]);
}

/** A line for each kind of row, where some lack an input. */
function presenceTable({ byPresence = {} }: EvaluationReport): string[] {
  const kinds = Object.entries(byPresence);
  if (kinds.length < 2) return [];
  const names: Record<string, string> = { text: 'text only', image: 'image only', both: 'both' };
  const rows = kinds.map(([has, { rows: seen, accuracy, macroF1 }]) => {
    return [names[has]!, String(seen), figure(accuracy), figure(macroF1)];
  });
  return [
    '',
    'By what the rows have:',
    ...table([['has', 'rows', 'accuracy', 'macro F1'], ...rows]),
  ];
}

function classTable({ mode, perClass }: EvaluationReport, labels: readonly string[]): string[] {
  const rows = labels.map((label) => {
    const { precision, recall, f1, support } = perClass[label]!;
    return [label, figure(precision), figure(recall), figure(f1), String(support)];
  });
  const header = ['label', 'precision', 'recall', 'F1', 'rows'];
  return [`By label (${mode}):`, ...table([header, ...rows])];
}

function confusionTable(report: EvaluationReport, labels: readonly string[]): string[] {
  const body = report.confusion.map((counts, i) => [labels[i]!, ...counts.map(String)]);
  return [
    `What the ${plural(report.rows, 'row')} were taken for (a line a label, a column a prediction):`,
    ...table([['', ...labels], ...body]),
  ];
}
