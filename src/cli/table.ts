/**
 * Lines up cells in columns: the first to the left, the others, which are figures, to the right.
 *
 * @param rows the first is the header
 */
export function table(rows: readonly (readonly string[])[]): string[] {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, c) => {
    return Math.max(...rows.map((row) => row[c]!.length));
  });
  return rows.map((row) => {
    const cells = row.map((cell, c) =>
      c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!),
    );
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

/** A fraction or another figure with three places; a dash where there is none. */
export function figure(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '-' : value.toFixed(3);
}

/** A count with its thousands set apart: 1 234 567. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** `1 row`, `2 rows`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}
