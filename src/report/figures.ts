/** A share as a percentage with one place: 78.1%. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** A share as a percentage without places: 78%. */
export function wholePercent(share: number): string {
  return `${Math.round(100 * share)}%`;
}

/** A figure with three places; a dash where there is none. */
export function decimal(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(3);
}

/** A count with its thousands set apart. */
export function count(value: number): string {
  return value.toLocaleString('en').replaceAll(',', '\u202f');
}

/** `1 row`, `2 rows`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** A probability of a test; very small ones are not drawn out. */
export function chance(pValue: number): string {
  return pValue < 0.001 ? 'p < 0.001' : `p = ${pValue.toFixed(3)}`;
}

/** Words of a run's options: `learningRate` is learning rate. */
export function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
