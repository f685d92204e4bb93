/** A text as a set of numbers: one for each run of characters in it. */
export type Shingles = Int32Array;

/** The length of a run, in UTF-16 units: about a word. */
const runLength = 5;

/**
 * What of a text is compared: without links (every copy of a tweet has its own), case, compatibility
 * forms and the kind of white space.
 */
export function normalizedText(text: string): string {
  const plain = text.normalize('NFKC').toLowerCase();
  return plain
    .replace(/https?:\/\/\S+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The different runs of five characters of a normalised text, sorted; a shorter text is one run. */
export function shingles(text: string): Shingles {
  const runs = new Set<number>();
  for (let i = 0; i === 0 || i + runLength <= text.length; i++) {
    let hash = 0x811c9dc5; // FNV-1a
    for (let j = i; j < Math.min(i + runLength, text.length); j++) {
      hash = Math.imul(hash ^ text.charCodeAt(j), 0x01000193);
    }
    runs.add(hash | 0);
  }
  return Int32Array.from(runs).toSorted();
}

/** The share of two sorted sets that they have in common (Jaccard, 1912). */
export function jaccard(a: Shingles, b: Shingles): number {
  let [i, j, common] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const order = a[i]! - b[j]!;
    if (order === 0) common += 1;
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
  }
  return common / (a.length + b.length - common);
}

/**
 * Finds the sets that have a Jaccard similarity of at least `least` with another one, all of them:
 * two such sets share one of their rarest runs, so only these are indexed (Bayardo et al., "Scaling
 * up all pairs similarity search", 2007).
 */
export class NearTexts {
  /** How many sets have a run; those that have none stand first. */
  readonly #counts = new Map<number, number>();
  /** The sets that have a run among their rarest. */
  readonly #sets = new Map<number, number[]>();

  constructor(
    readonly known: readonly Shingles[],
    readonly least: number,
  ) {
    for (const set of known) {
      for (const run of set) this.#counts.set(run, (this.#counts.get(run) ?? 0) + 1);
    }
    known.forEach((set, index) => {
      for (const run of this.#rarest(set)) {
        const sets = this.#sets.get(run);
        if (sets) sets.push(index);
        else this.#sets.set(run, [index]);
      }
    });
  }

  /** The most similar of the known sets, the first among equals; undefined where none is near. */
  nearest(set: Shingles): { readonly index: number; readonly similarity: number } | undefined {
    const candidates = new Set(this.#rarest(set).flatMap((run) => this.#sets.get(run) ?? []));
    let best: { index: number; similarity: number } | undefined;
    for (const index of candidates) {
      const similarity = jaccard(set, this.known[index]!);
      if (similarity < this.least) continue;
      const ahead = similarity - (best?.similarity ?? 0) || (best?.index ?? index) - index;
      if (best === undefined || ahead > 0) best = { index, similarity };
    }
    return best;
  }

  /** So many of the rarest runs that a near set, which lacks fewer, must have one of them. */
  #rarest(set: Shingles): number[] {
    const count = set.length - Math.ceil(this.least * set.length) + 1;
    const rarity = (run: number): number => this.#counts.get(run) ?? 0;
    return Array.from(set)
      .sort((a, b) => rarity(a) - rarity(b) || a - b)
      .slice(0, count);
  }
}
