import type { Batch } from '../datasets/batch.js';
import { Random } from '../nn/random.js';

/** How often a row that has both inputs is trained as if it lacked one. */
export interface ModalityDropout {
  /** The probability that its text is left out. */
  readonly text: number;
  /** The probability that its picture is left out. */
  readonly image: number;
}

/**
 * The input that each row of a batch is trained without; undefined where it keeps what it has. A row that lacks an
 * input already keeps the other.
 *
 * @param key names the random stream, see {@link Random}
 */
export function droppedInputs(
  { hasText, hasImage }: Pick<Batch, 'hasText' | 'hasImage'>,
  { text, image }: ModalityDropout,
  ...key: readonly (number | string)[]
): ('text' | 'image' | undefined)[] {
  const random = new Random(...key);
  return hasText.map((present, row) => {
    const draw = random.uniform();
    if (!present || !hasImage[row]!) return undefined;
    if (draw < text) return 'text';
    return draw < text + image ? 'image' : undefined;
  });
}
