import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { HostTensor } from '../nn/stateDict.js';

/**
 * An exponential moving average of a model's weights and statistics (Polyak and Juditsky, 1992; as timm's `ModelEma`):
 * after each step the average moves towards the weights by 1 - decay. Early on it moves faster, by
 * 1 - (1 + steps) / (10 + steps), so that the first weights are soon forgotten.
 */
export class WeightAverage {
  readonly #live: ReadonlyMap<string, tf.Variable>;
  readonly #average: ReadonlyMap<string, tf.Variable>;

  /** @param live what is averaged, by name; the average begins with its values */
  constructor(
    live: ReadonlyMap<string, tf.Variable>,
    readonly decay: number,
  ) {
    this.#live = live;
    this.#average = new Map([...live].map(([name, value]) => [name, tf.variable(value, false)]));
  }

  /** Follows a step; nothing is read. @param step the number of steps before it */
  update(step: number): void {
    const share = 1 - Math.min(this.decay, (1 + step) / (10 + step));
    tf.tidy(() => {
      const towards = tf.scalar(share);
      for (const [average, live] of this.#pairs()) {
        average.assign(tf.add(average, tf.mul(tf.sub(live, average), towards)));
      }
    });
  }

  /** Runs something while the model holds the average; then it holds its own weights again. */
  async lend<T>(use: () => Promise<T>): Promise<T> {
    this.#exchange();
    try {
      return await use();
    } finally {
      this.#exchange();
    }
  }

  /** The average by name: its own tensors, which the next update replaces. */
  state(): Record<string, tf.Tensor> {
    return Object.fromEntries(this.#average);
  }

  /** Takes an average over, as a checkpoint holds it. @throws InputError where a name is missing */
  setState(state: Readonly<Record<string, HostTensor>>): void {
    tf.tidy(() => {
      for (const [name, average] of this.#average) {
        const held = state[name];
        if (held === undefined) {
          throw new InputError(`checkpoint: the average must hold '${name}'; the file is damaged`);
        }
        average.assign(tf.tensor(held.values, [...held.shape], 'float32'));
      }
    });
  }

  /** Frees the average. */
  dispose(): void {
    tf.dispose([...this.#average.values()]);
  }

  #exchange(): void {
    tf.tidy(() => {
      for (const [average, live] of this.#pairs()) {
        const kept = tf.clone(live);
        live.assign(average);
        average.assign(kept);
      }
    });
  }

  #pairs(): (readonly [average: tf.Variable, live: tf.Variable])[] {
    return [...this.#average].map(([name, average]) => [average, this.#live.get(name)!]);
  }
}
