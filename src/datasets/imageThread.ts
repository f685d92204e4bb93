import { InputError, messageOf } from '../errors.js';
import type { LazyFile } from '../files/fileTree.js';
import type { ImageReader } from './batch.js';
import type { ImageSource } from './example.js';
import { ImageProcessor } from './image.js';
import type { LoadOptions } from './imageLoad.js';
import { canStart, isSendable, openPort, packagedWorker } from './imagePort.node.js';
import type { ImagePort, ImageReply, ImageRequest } from './imageRequest.js';

/** Reads pictures until it is closed. */
export interface OpenImageReader extends ImageReader {
  close(): Promise<void>;
}

/** What reads pictures as a processor does, in a worker thread where there can be one. */
export function openImageThread(
  processor: ImageProcessor | undefined,
  warn?: (warning: string) => void,
): OpenImageReader | undefined {
  return processor && new ImageThread(processor, packagedWorker, warn);
}

interface Pending {
  readonly source: ImageSource;
  readonly request: ImageRequest;
  readonly options: LoadOptions;
  readonly resolve: (values: Float32Array | Promise<Float32Array>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads pictures in a worker thread, so that they are decoded and resized while an engine holds the
 * event loop. Where no worker can run (its file is not there, as in a bundle of an application; it
 * dies), pictures are read by the processor itself, with equal results.
 *
 * The thread starts with the first picture, keeps no process alive while it is idle, and ends with
 * `close`.
 */
export class ImageThread implements OpenImageReader {
  readonly size: { readonly height: number; readonly width: number };
  readonly #processor: ImageProcessor;
  readonly #file: URL | undefined;
  readonly #warn: (warning: string) => void;
  readonly #pending = new Map<number, Pending>();
  #port: ImagePort | undefined;
  #usable: boolean;
  #requests = 0;

  constructor(
    processor: ImageProcessor,
    file = packagedWorker,
    warn: (warning: string) => void = console.warn,
  ) {
    this.size = processor.size;
    this.#processor = processor;
    this.#file = file;
    this.#warn = warn;
    // A processor with a `load` of its own is not what the worker would do.
    this.#usable = processor.load === ImageProcessor.prototype.load && canStart(file);
  }

  /** Whether pictures are read by a worker, as far as is known. */
  get isThreaded(): boolean {
    return this.#usable;
  }

  async load(source: ImageSource, options: LoadOptions = {}): Promise<Float32Array> {
    if (!this.#usable) return this.#processor.load(source, options);
    const sent = isLazy(source) ? await source.read() : source;
    if (!this.#usable || !isSendable(sent)) return this.#processor.load(sent, options);
    const { augment, random } = options;
    const request: ImageRequest = {
      id: this.#requests++,
      source: sent instanceof Uint8Array ? new Uint8Array(sent) : sent, // Without what lies around it.
      ...(isLazy(source) && { name: source.name }),
      augment,
      key: random?.key,
    };
    return new Promise((resolve, reject) =>
      this.#send({ source, request, options, resolve, reject }),
    );
  }

  /** Ends the thread; what is under way is read by the processor. */
  async close(): Promise<void> {
    const port = this.#port;
    this.#fallBack();
    await port?.end();
  }

  #send(pending: Pending): void {
    this.#pending.set(pending.request.id, pending);
    try {
      this.#port ??= openPort(this.#file, this.#processor.config, {
        onReply: (reply) => this.#receive(reply),
        onEnd: (reason) => this.#lose(reason),
      });
      this.#port.post(pending.request);
      this.#port.hold(true);
    } catch (error) {
      this.#lose(messageOf(error)); // Such as a page whose policy allows no workers.
    }
  }

  #receive(reply: ImageReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#port?.hold(false);
    if (pending === undefined) return;
    if ('values' in reply) pending.resolve(reply.values);
    else pending.reject(reply.isInput ? new InputError(reply.error) : new Error(reply.error));
  }

  #lose(reason: string | undefined): void {
    if (this.#usable && reason !== undefined)
      this.#warn(
        `image: the worker that reads pictures is lost (${reason}); they are read without it`,
      );
    this.#fallBack();
  }

  #fallBack(): void {
    this.#usable = false;
    this.#port = undefined;
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { source, options, resolve } of all) resolve(this.#processor.load(source, options));
  }
}

function isLazy(source: ImageSource): source is LazyFile {
  return typeof source === 'object' && 'read' in source && !(source instanceof Blob);
}
