import { useBackend } from '../../../src/backends/select.js';
import { messageOf } from '../../../src/errors.js';
import type { DirectoryHandle } from '../../../src/files/fileTree.js';
import { BertResNetModel } from '../../../src/model.js';
import { Trainer } from '../../../src/training/trainer.js';
import { listFolder, readWhole, writeFileAtomic } from '../../../src/weights/files.browser.js';
import { tinyData, tinyModel, weightsOf } from '../../training/tiny.js';

export interface Tuned {
  readonly losses: (number | null)[];
  readonly weights: Record<string, number[]>;
  /** How often each encoder ran. */
  readonly calls: { text: number; image: number };
  readonly warnings: string[];
}

/** Trains what stands on frozen encoders. */
export async function tune(
  cacheFeatures: boolean | string,
  seed?: number,
): Promise<Tuned | { error: string }> {
  await useBackend('cpu');
  const model = await tinyModel({ seed });
  const calls = { text: 0, image: 0 };
  const count = (encoder: object, input: 'text' | 'image'): void => {
    const { forward } = encoder as { forward: Function };
    Object.assign(encoder, {
      forward(...given: unknown[]) {
        calls[input] += 1;
        return forward.apply(encoder, given) as unknown;
      },
    });
  };
  count(model.textEncoder, 'text');
  count(model.visualEncoder, 'image');
  const losses: (number | null)[] = [];
  const warnings: string[] = [];
  const trainer = new Trainer(model, {
    epochs: 2,
    batchSize: 4,
    learningRate: 0.01,
    freeze: { text: true, image: true },
    cacheFeatures,
    onStep: ({ loss }) => void losses.push(loss),
    onWarning: (warning) => void warnings.push(warning),
  });
  try {
    await trainer.fit(tinyData(18), { validation: tinyData(6, 2) });
    return { losses, weights: await weightsOf(model), calls, warnings };
  } catch (error) {
    return { error: messageOf(error) };
  } finally {
    model.dispose();
  }
}

export function names(folder: string): Promise<string[]> {
  return listFolder(folder);
}

/** Flips a bit near the end of a file. */
export async function damage(path: string): Promise<void> {
  const bytes = new Uint8Array(await readWhole(path));
  bytes[bytes.length - 3]! ^= 1;
  await writeFileAtomic(path, bytes);
}

async function directory(name: string): Promise<DirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(name, { create: true });
}

/** Saves a model to a directory by its handle, and reads it again by the same. */
export async function saveTo(
  name: string,
  more: { besides?: string; refused?: boolean } = {},
): Promise<{ same: boolean; names: string[] } | { error: string; names: string[] }> {
  await useBackend('cpu');
  const handle = await directory(name);
  if (more.besides !== undefined) await writeFileAtomic(`${name}/${more.besides}`, 'mine');
  if (more.refused === true) {
    // As a picked folder behaves that may only be read.
    const refuse = async (): Promise<never> => {
      throw new DOMException('not allowed', 'NotAllowedError');
    };
    Object.assign(handle, { getDirectoryHandle: refuse });
  }
  const model = await tinyModel();
  try {
    await model.save(handle);
    const read = await BertResNetModel.fromPretrained(handle);
    const [before, after] = [await weightsOf(model), await weightsOf(read)];
    read.dispose();
    return { same: JSON.stringify(before) === JSON.stringify(after), names: await names(name) };
  } catch (error) {
    return { error: messageOf(error), names: await names(name) };
  } finally {
    model.dispose();
  }
}
