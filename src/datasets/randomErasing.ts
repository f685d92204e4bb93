import type { Random } from '../nn/random.js';
import { roundHalfEven } from './imageGeometry.js';
import type { Box, ImageSize } from './imagePixels.js';

/** What torchvision's RandomErasing covers. */
export interface RandomErasingOptions {
  /** How often a picture is covered (default 0.5). */
  readonly probability?: number;
  /** The share of the picture's area (default 0.02 to 0.33). */
  readonly scale?: readonly [number, number];
  /** Height over width (default 0.3 to 3.3). */
  readonly ratio?: readonly [number, number];
  /** What covers it after normalisation: 0, the mean colour (default), or `random`, normal noise. */
  readonly value?: 'mean' | 'random';
}

/** The part that torchvision's RandomErasing covers; undefined where ten draws do not fit. */
export function randomErasingBox(
  { height, width }: ImageSize,
  { scale = [0.02, 0.33], ratio = [0.3, 3.3] }: RandomErasingOptions,
  random: Random,
): Box | undefined {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = height * width * random.uniform(scale[0], scale[1]);
    const aspect = Math.exp(random.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const h = roundHalfEven(Math.sqrt(area * aspect));
    const w = roundHalfEven(Math.sqrt(area / aspect));
    if (!(h < height && w < width)) continue;
    const top = random.integer(height - h + 1);
    return { top, left: random.integer(width - w + 1), height: h, width: w };
  }
  return undefined;
}

/**
 * Covers a random part of normalised pixels (Zhong et al., 2020), as torchvision's RandomErasing.
 *
 * @param pixels [height, width, 3], changed in place
 */
export function randomErasing(
  pixels: Float32Array,
  size: ImageSize,
  options: RandomErasingOptions,
  random: Random,
): void {
  if (random.uniform() >= (options.probability ?? 0.5)) return;
  const box = randomErasingBox(size, options, random);
  if (box === undefined) return;
  const draw = options.value === 'random' ? () => random.normal() : () => 0;
  for (let y = box.top; y < box.top + box.height; y++) {
    const start = (y * size.width + box.left) * 3;
    for (let i = start; i < start + box.width * 3; i++) pixels[i] = draw();
  }
}
