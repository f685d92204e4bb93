/** Where the parameters of an encoder stand, by the names of BERT's layers and ResNet's stages. */
const places: readonly (readonly [RegExp, (index: number) => number])[] = [
  [/^text_encoder\.embeddings\./, () => 0],
  [/^text_encoder\.encoder\.layer\.(\d+)\./, (index) => index + 1],
  [/^visual_encoder\.(?:conv1|bn1)\./, () => 0],
  [/^visual_encoder\.layer(\d+)\./, (index) => index],
];

/** The two encoders, by what their parameters' names begin with. */
export const encoderPrefixes = { text: 'text_encoder.', image: 'visual_encoder.' } as const;

/** The encoder that a parameter belongs to; undefined for what stands behind the encoders. */
export function encoderOfParameter(name: string): 'text' | 'image' | undefined {
  if (name.startsWith(encoderPrefixes.text)) return 'text';
  return name.startsWith(encoderPrefixes.image) ? 'image' : undefined;
}

/**
 * How many blocks of its encoder stand above each parameter: 0 in the last BERT layer or ResNet stage, and one more in
 * each block before it, the embeddings or the stem last. An encoder of one's own counts as one block. Parameters behind
 * the encoders are left out.
 *
 * @param names of all parameters of a model
 */
export function blocksAbove(names: Iterable<string>): Map<string, number> {
  const blocks = new Map<string, number>();
  const top = { text: 0, image: 0 };
  for (const name of names) {
    const encoder = encoderOfParameter(name);
    if (encoder === undefined) continue;
    const block = blockOf(name);
    blocks.set(name, block ?? Infinity);
    if (block !== undefined) top[encoder] = Math.max(top[encoder], block);
  }
  const above = (name: string, block: number): number =>
    Math.max(0, top[encoderOfParameter(name)!] - block);
  return new Map([...blocks].map(([name, block]) => [name, above(name, block)]));
}

function blockOf(name: string): number | undefined {
  for (const [pattern, block] of places) {
    const match = pattern.exec(name);
    if (match !== null) return block(Number(match[1] ?? 0));
  }
  return undefined;
}
