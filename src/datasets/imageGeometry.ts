import { square } from './imageConfig.js';
import type { ImageProcessorConfig } from './imageConfig.js';
import type { Box, ImageSize } from './imagePixels.js';

/** Which resizing and which crop a configuration comes to. */
export interface Geometry {
  /** The size of the whole picture, resized. */
  readonly resized: ImageSize;
  /** The part of it that is kept; it may reach beyond the picture, which is black there. */
  readonly box: Box;
}

/** The size of every picture that comes out. */
export function outputSize({ size, cropPct, ...config }: ImageProcessorConfig): ImageSize {
  if (cropPct !== undefined && 'shortestEdge' in size) return square(size.shortestEdge);
  return config.doCenterCrop || 'shortestEdge' in size ? config.cropSize : size;
}

/** What is done to a picture of this size. */
export function geometryOf(config: ImageProcessorConfig, from: ImageSize): Geometry {
  const resized = config.doResize ? resizedSize(config, from) : from;
  const { height, width } = outputSize(config);
  const offset = config.cropOffset === 'round' ? torchvisionOffset : transformersOffset;
  const top = offset(resized.height - height);
  const left = offset(resized.width - width);
  return { resized, box: { top, left, height, width } };
}

/** From this size on ConvNext's processor distorts. */
const convNextWarp = 384;

function resizedSize({ size, cropPct }: ImageProcessorConfig, from: ImageSize): ImageSize {
  if (!('shortestEdge' in size)) return size;
  if (cropPct === undefined) return withShortestEdge(from, size.shortestEdge);
  if (size.shortestEdge >= convNextWarp) return square(size.shortestEdge);
  return withShortestEdge(from, Math.trunc(size.shortestEdge / cropPct));
}

function withShortestEdge({ height, width }: ImageSize, edge: number): ImageSize {
  if (width <= height) return { width: edge, height: Math.trunc((edge * height) / width) };
  return { height: edge, width: Math.trunc((edge * width) / height) };
}

const transformersOffset = (excess: number): number => Math.floor(excess / 2);

function torchvisionOffset(excess: number): number {
  return excess < 0 ? Math.ceil(excess / 2) : roundHalfEven(excess / 2);
}

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
