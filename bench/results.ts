import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What was measured, a line of JSON each, so that a bench that was stopped goes on where it was. */
export class Results<T extends object> {
  readonly all: T[];

  constructor(private readonly path: string) {
    mkdirSync(dirname(path), { recursive: true });
    const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
    this.all = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T);
  }

  /** Those whose fields are these. */
  having(fields: Partial<T>): T[] {
    const wanted = Object.entries(fields);
    return this.all.filter((one) =>
      wanted.every(([name, value]) => one[name as keyof T] === value),
    );
  }

  add(result: T): void {
    this.all.push(result);
    appendFileSync(this.path, `${JSON.stringify(result)}\n`);
  }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation of a sample; 0 of one value. */
export function deviation(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1));
}

/** Shares in percent: their mean and, of several, the deviation between them. */
export function percent(shares: readonly number[]): string {
  const middle = (100 * mean(shares)).toFixed(1);
  return shares.length < 2 ? middle : `${middle} ± ${(100 * deviation(shares)).toFixed(1)}`;
}
