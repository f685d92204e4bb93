/** What a worker thread runs that reads pictures: see imageThread.node.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { InputError, messageOf } from '../errors.js';
import { Random } from '../nn/random.js';
import type { Augmentation } from './augment.js';
import type { ImageSource } from './example.js';
import type { ImageProcessorConfig } from './imageConfig.js';
import { ImageLoader } from './imageLoad.js';

/** A picture that is asked for. */
export interface ImageRequest {
  readonly id: number;
  readonly source: ImageSource;
  readonly augment?: Augmentation;
  /** The key of the Random that changes are drawn from. */
  readonly key?: readonly (number | string)[];
}

/** Its pixels, or why there are none. */
export type ImageReply =
  | { readonly id: number; readonly values: Float32Array<ArrayBuffer> }
  | { readonly id: number; readonly error: string; readonly isInput: boolean };

const loader = new ImageLoader(workerData as ImageProcessorConfig);

async function reply({ id, source, augment, key }: ImageRequest): Promise<ImageReply> {
  try {
    const random = key && new Random(...key);
    const values = await loader.load(source, { augment, random });
    return { id, values: values as Float32Array<ArrayBuffer> };
  } catch (error) {
    return { id, error: messageOf(error), isInput: error instanceof InputError };
  }
}

async function answer(request: ImageRequest): Promise<void> {
  const answered = await reply(request);
  parentPort!.postMessage(answered, 'values' in answered ? [answered.values.buffer] : []);
}

parentPort!.on('message', (request: ImageRequest) => void answer(request));
