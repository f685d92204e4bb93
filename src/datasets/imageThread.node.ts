import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { InputError } from '../errors.js';
import type { ImageReader } from './batch.js';
import type { ImageSource } from './example.js';
import { ImageProcessor } from './image.js';
import type { LoadOptions } from './imageLoad.js';
import type { ImageReply, ImageRequest } from './imageWorker.node.js';

interface Pending {
  readonly request: ImageRequest;
  readonly options: LoadOptions;
  readonly resolve: (values: Float32Array | Promise<Float32Array>) => void;
  readonly reject: (error: unknown) => void;
}

/** Where the package has the code of the worker: beside this one. */
const packagedWorker = new URL('./imageWorker.js', import.meta.url);

/**
 * Reads pictures in a worker thread, so that they are decoded and resized while an engine holds the
 * event loop. Where no worker can run (its file is not there, as in a bundle of an application; it
 * dies), pictures are read by the processor itself, with equal results.
 *
 * The thread starts with the first picture, keeps no process alive while it is idle, and ends with
 * `close`.
 */
export class ImageThread implements ImageReader {
  readonly size: { readonly height: number; readonly width: number };
  readonly #processor: ImageProcessor;
  readonly #file: URL;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #usable: boolean;
  #requests = 0;

  constructor(processor: ImageProcessor, file = packagedWorker) {
    this.size = processor.size;
    this.#processor = processor;
    this.#file = file;
    // A processor with a `load` of its own is not what the worker would do.
    this.#usable = processor.load === ImageProcessor.prototype.load && isThere(file);
  }

  /** Whether pictures are read by a worker, as far as is known. */
  get isThreaded(): boolean {
    return this.#usable;
  }

  load(source: ImageSource, options: LoadOptions = {}): Promise<Float32Array> {
    const sent = sendable(source);
    if (!this.#usable || sent === undefined) return this.#processor.load(source, options);
    const { augment, random } = options;
    const request = { id: this.#requests++, source: sent, augment, key: random?.key };
    return new Promise((resolve, reject) => this.#send({ request, options, resolve, reject }));
  }

  /** Ends the thread; what is under way is read by the processor. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#fallBack();
    await worker?.terminate();
  }

  #send(pending: Pending): void {
    this.#worker ??= this.#start();
    this.#pending.set(pending.request.id, pending);
    this.#worker.postMessage(pending.request, []);
    this.#worker.ref();
  }

  #start(): Worker {
    const worker = new Worker(this.#file, { workerData: this.#processor.config });
    worker.on('message', (reply: ImageReply) => this.#receive(reply));
    worker.on('error', () => this.#fallBack());
    worker.on('exit', () => this.#fallBack());
    return worker;
  }

  #receive(reply: ImageReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker?.unref();
    if (pending === undefined) return;
    if ('values' in reply) pending.resolve(reply.values);
    else pending.reject(reply.isInput ? new InputError(reply.error) : new Error(reply.error));
  }

  #fallBack(): void {
    this.#usable = false;
    this.#worker = undefined;
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { request, options, resolve } of all)
      resolve(this.#processor.load(request.source, options));
  }
}

/** A picture as it can be sent: a view without what lies around it; undefined for what is read here. */
function sendable(source: ImageSource): ImageSource | undefined {
  if (typeof source === 'string' || source instanceof ArrayBuffer) return source;
  if (source instanceof Uint8Array) return new Uint8Array(source);
  return undefined;
}

function isThere(file: URL): boolean {
  return file.protocol !== 'file:' || existsSync(fileURLToPath(file));
}
