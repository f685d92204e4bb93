/** The known word that a person most likely meant, whatever its case, or undefined where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (known.includes(word)) return word;
  if (word.length > longest) return undefined;
  const ranked = known
    .filter(({ length }) => length <= longest)
    .map((candidate) => ({
      candidate,
      distance: distance(word.toLowerCase(), candidate.toLowerCase()),
    }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  const reach = Math.max(1, Math.floor(word.length / 3));
  return best !== undefined && best.distance <= reach ? best.candidate : undefined;
}

/** No name is longer; what is longer is a text in the wrong place. */
const longest = 64;

/** The edit distance of Damerau and Levenshtein, a transposition of neighbours being one edit. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const edits = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1)];
      rows[i]![j] = Math.min(...edits, swapped ? at(i - 2, j - 2) + 1 : Infinity);
    }
  }
  return at(a.length, b.length);
}
