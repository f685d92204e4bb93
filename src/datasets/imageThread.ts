import type { ImageReader } from './batch.js';
import type { ImageProcessor } from './image.js';

/** Reads pictures until it is closed. */
export interface OpenImageReader extends ImageReader {
  close(): Promise<void>;
}

/** What reads pictures as a processor does, in a worker thread where there can be one. */
export async function openImageThread(
  processor: ImageProcessor | undefined,
): Promise<OpenImageReader | undefined> {
  if (processor === undefined) return undefined;
  const { ImageThread } = await import('./imageThread.node.js');
  return new ImageThread(processor);
}
