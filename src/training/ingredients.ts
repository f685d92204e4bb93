import * as tf from '@tensorflow/tfjs-core';
import type { BertResNetModel } from '../model.js';
import { mergedState } from '../nn/lora.js';
import { readSafetensors, writeSafetensors } from '../weights/safetensors.js';
import { isMinimized } from './monitor.js';
import type { Monitor } from './monitor.js';
import type { EpochRecord } from './records.js';
import type { RunFolder } from './runFolder.js';
import type { Ingredient } from './soup.js';

/** The epochs whose figures are the best, the best first and the earlier among equals. */
export function bestEpochs(
  history: readonly EpochRecord[],
  monitor: Monitor,
  count: number,
): number[] {
  const sign = isMinimized(monitor) ? 1 : -1;
  const known = history.filter(({ validation }) => (validation?.[monitor] ?? null) !== null);
  const figure = ({ validation }: EpochRecord): number => sign * validation![monitor]!;
  return known
    .toSorted((a, b) => figure(a) - figure(b) || a.epoch - b.epoch)
    .slice(0, count)
    .map(({ epoch }) => epoch);
}

/** The weights of a run's best epochs: in its folder, or in memory where it has none. */
export class Ingredients {
  readonly #folder: RunFolder | undefined;
  readonly #held = new Map<number, Record<string, tf.Tensor>>();

  constructor(folder: RunFolder | undefined) {
    this.#folder = folder;
  }

  /** Keeps the model's weights as those of an epoch. */
  async keep(model: BertResNetModel, epoch: number): Promise<void> {
    const weights = mergedState(model);
    if (this.#folder === undefined) {
      tf.dispose(this.#held.get(epoch) ?? {});
      this.#held.set(epoch, weights);
      return;
    }
    try {
      await writeSafetensors(this.#folder.ingredient(epoch), weights);
    } finally {
      tf.dispose(weights);
    }
  }

  /** Drops all epochs but these. */
  async drop(kept: readonly number[]): Promise<void> {
    for (const [epoch, weights] of this.#held) {
      if (kept.includes(epoch)) continue;
      tf.dispose(weights);
      this.#held.delete(epoch);
    }
    await this.#folder?.dropIngredients(kept);
  }

  /** What was kept of these epochs. */
  of(epochs: readonly number[]): Ingredient<number>[] {
    return epochs.map((epoch) => ({ of: epoch, read: () => this.#read(epoch) }));
  }

  async #read(epoch: number): Promise<Record<string, tf.Tensor>> {
    const held = this.#held.get(epoch);
    if (held === undefined) return readSafetensors(this.#folder!.ingredient(epoch));
    return Object.fromEntries(Object.entries(held).map(([name, value]) => [name, tf.clone(value)]));
  }

  /** Frees what is held in memory. */
  dispose(): void {
    for (const weights of this.#held.values()) tf.dispose(weights);
    this.#held.clear();
  }
}
