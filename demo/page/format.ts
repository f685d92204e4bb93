// Numbers as people read them.

const whole = new Intl.NumberFormat('en');

export const count = (value: number): string => whole.format(value);

/** `1 row`, `2 rows`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

export const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** A change in percentage points, with its sign: `+12`, `−3`. */
export function points(change: number): string {
  const rounded = Math.round(100 * change);
  return rounded < 0 ? `−${-rounded}` : `+${rounded}`;
}

export const decimal = (value: number | null | undefined, digits = 2): string =>
  value === null || value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits);

/** `1.2 million`, `480 thousand`. */
export function magnitude(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} million`;
  return `${Math.round(value / 1e3)} thousand`;
}

/** A duration that is only roughly known: `45 s`, `2 min`, `1 h 10 min`. */
export function about(seconds: number): string {
  if (seconds < 10) return `${Math.max(1, Math.ceil(seconds))} s`;
  if (seconds < 55) return `${Math.ceil(seconds / 5) * 5} s`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (seconds < 110) return '1 to 2 min';
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The names of a few things in a sentence: `a, b and c`. */
export function listed(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}

/** What the three ways of answering are called. */
export const modeNames = { text: 'Text only', image: 'Picture only', both: 'Both' } as const;
