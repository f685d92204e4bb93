import { InputError, messageOf } from '../errors.js';
import { Random } from '../nn/random.js';
import type { Augmentation } from './augmentation.js';
import type { ImageSource } from './example.js';
import type { ImageLoader } from './imageLoad.js';

/** A picture that a worker is asked for. */
export interface ImageRequest {
  readonly id: number;
  readonly source: ImageSource;
  /** What errors call it, where the source does not tell. */
  readonly name?: string;
  readonly augment?: Augmentation;
  /** The key of the Random that changes are drawn from. */
  readonly key?: readonly (number | string)[];
}

/** Its pixels, or why there are none. */
export type ImageReply =
  | { readonly id: number; readonly values: Float32Array<ArrayBuffer> }
  | { readonly id: number; readonly error: string; readonly isInput: boolean };

/** Does what is asked, and whose memory goes with the answer. */
export async function answer(
  loader: ImageLoader,
  { id, source, name, augment, key }: ImageRequest,
): Promise<{ reply: ImageReply; transfer: ArrayBuffer[] }> {
  try {
    const random = key && new Random(...key);
    const named = name === undefined ? source : { name, read: async () => source as Uint8Array };
    const values = (await loader.load(named, { augment, random })) as Float32Array<ArrayBuffer>;
    return { reply: { id, values }, transfer: [values.buffer] };
  } catch (error) {
    const reply = { id, error: messageOf(error), isInput: error instanceof InputError };
    return { reply, transfer: [] };
  }
}

/** A worker, as far as it is used. */
export interface ImagePort {
  post(request: ImageRequest): void;
  /** Whether the process, where that is asked, stays alive for the worker's sake. */
  hold(held: boolean): void;
  end(): Promise<void>;
}

/** What a worker's owner is told. */
export interface PortListeners {
  readonly onReply: (reply: ImageReply) => void;
  /** The worker is no more, and answers nothing. */
  readonly onEnd: (reason?: string) => void;
}
