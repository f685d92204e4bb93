import type { ImageReader } from './batch.js';
import type { ImageSource } from './example.js';
import type { ImageProcessor } from './image.js';
import type { LoadOptions } from './imageLoad.js';

/** Reads pictures by the processor itself. */
export class ImageThread implements ImageReader {
  readonly size: { readonly height: number; readonly width: number };
  readonly #processor: ImageProcessor;

  constructor(processor: ImageProcessor) {
    this.size = processor.size;
    this.#processor = processor;
  }

  /** Whether pictures are read by a worker, as far as is known. */
  get isThreaded(): boolean {
    return false;
  }

  load(source: ImageSource, options: LoadOptions = {}): Promise<Float32Array> {
    return this.#processor.load(source, options);
  }

  async close(): Promise<void> {}
}
