import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';

/** Something that trained as PyTorch does: losses and logits within 1e-4, gradients and weights within 1e-3. */
export interface Ran {
  readonly where: 'Node' | 'Chromium';
  readonly backend: string;
  readonly computedBy: string;
}

const path = new URL('../docs/backends.md', import.meta.url);
const head = '| where | backend | computed by |';

/** The table of docs/backends.md has a row of what has just run; with UPDATE_DOCS=1 it is written. */
export function expectInTable({ where, backend, computedBy }: Ran): void {
  const row = `| ${where} | \`${backend}\` | ${computedBy} |`;
  if (process.env['UPDATE_DOCS']) write(row);
  expect(
    readFileSync(path, 'utf8').split('\n'),
    'docs/backends.md (UPDATE_DOCS=1 writes it)',
  ).toContain(row);
  console.log(row);
}

/** Puts a row in the place of one of the same beginning, or at the end of the table. */
function write(row: string): void {
  const lines = readFileSync(path, 'utf8').split('\n');
  const first = lines.indexOf(head) + 2;
  let end = first;
  while (lines[end]?.startsWith('|')) end++;
  const rows = lines.slice(first, end).filter((line) => line !== row);
  lines.splice(first, end - first, ...[...rows, row].sort());
  writeFileSync(path, lines.join('\n'));
}
