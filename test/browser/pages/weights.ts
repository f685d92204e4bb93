import { useBackend } from '../../../src/backends/select.js';
import { messageOf } from '../../../src/errors.js';
import { listFolder } from '../../../src/weights/files.browser.js';
import { BertResNetModel } from '../../../src/model.js';
import { openPretrained } from '../../../src/weights/hub.js';
import type { DownloadProgress, PretrainedOptions } from '../../../src/weights/hub.js';
import { weightsOf } from '../../training/tiny.js';

export interface Fetched {
  /** The SHA-256 of the file. */
  readonly hash?: string;
  readonly error?: string;
  readonly progress: readonly DownloadProgress[];
}

let loaded = 0;

/** Reads a file of a pretrained model. */
export async function read(
  source: string,
  name: string,
  options: PretrainedOptions = {},
): Promise<Fetched> {
  const progress: DownloadProgress[] = [];
  loaded = 0;
  const onProgress = (told: DownloadProgress): void => {
    progress.push(told);
    loaded = told.loaded;
  };
  try {
    const files = await openPretrained(source, { ...options, onProgress });
    const bytes = new Uint8Array(await files.readBytes(name));
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return {
      hash: Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''),
      progress,
    };
  } catch (error) {
    return { error: messageOf(error), progress };
  }
}

let begun: Promise<Fetched> | undefined;

/** Begins to read a file, and comes back once so many bytes have come. */
export async function begin(bytes: number, ...given: Parameters<typeof read>): Promise<void> {
  begun = read(...given);
  const hasCome = (): boolean => loaded >= bytes;
  while (!hasCome()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** What became of it. */
export function begunRead(): Promise<Fetched> {
  return begun!;
}

/** Makes the page one that came by http, or is in a private window of some browsers. */
export function takePrivateFiles(): void {
  Object.defineProperty(navigator.storage, 'getDirectory', { value: undefined });
}

/** Makes the browser say that it has room for so many bytes. */
export function sayRoom(bytes: number): void {
  navigator.storage.estimate = async () => ({ usage: 1000, quota: 1000 + bytes });
}

export async function has(
  source: string,
  names: string[],
  options: PretrainedOptions = {},
): Promise<(boolean | string)[]> {
  const files = await openPretrained(source, options);
  return Promise.all(names.map((name) => files.has(name).catch(messageOf)));
}

/** Builds on the encoders of a model, and gives their weights. */
export async function create(
  text: string,
  options: PretrainedOptions,
): Promise<Record<string, number[]> | string> {
  await useBackend('cpu');
  try {
    const { revision: _, ...rest } = options;
    const image = { embeddingSize: 4, hiddenSizes: [4], depths: [1], layerType: 'basic' } as const;
    const model = await BertResNetModel.create({ text, image, ...rest });
    const weights = await weightsOf(model);
    const [answer] = await model.predict([{ text: 'so good' }]);
    model.dispose();
    return { ...weights, answer: [answer!.probability] };
  } catch (error) {
    return messageOf(error);
  }
}

export function names(folder: string): Promise<string[]> {
  return listFolder(folder);
}
