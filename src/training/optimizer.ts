import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { fused } from '../nn/ops.js';

/** TensorFlow.js's pair of a variable's name and a tensor. */
export interface NamedTensor {
  name: string;
  tensor: tf.Tensor;
}

type Gradients = tf.NamedTensorMap | NamedTensor[];

/** Options of {@link AdamW}; the defaults are those of torch.optim.AdamW. */
export interface AdamWOptions {
  /** Default 1e-3. */
  readonly learningRate?: number;
  /** Default 0.01. */
  readonly weightDecay?: number;
  /** Decay of the first moment; default 0.9. */
  readonly beta1?: number;
  /** Decay of the second moment; default 0.999. */
  readonly beta2?: number;
  /** Added to the denominator; default 1e-8. With 0, as in PyTorch, an element that never had a gradient becomes NaN. */
  readonly epsilon?: number;
  /** Whether a variable is decayed; default: every one. */
  readonly decays?: (name: string, variable: tf.Variable) => boolean;
  /**
   * What a variable's learning rate is multiplied by; default: 1 for each. 0 leaves the variable as
   * it is.
   */
  readonly rates?: (name: string, variable: tf.Variable) => number;
}

/** What {@link AdamW} remembers of one variable. */
export interface AdamWMoments {
  /** The number of updates that the variable has had. */
  readonly step: number;
  /** The running mean of the gradient, shaped as the variable. */
  readonly expAvg: tf.Tensor;
  /** The running mean of the squared gradient, shaped as the variable. */
  readonly expAvgSq: tf.Tensor;
}

interface Slot {
  step: number;
  /** Both absent before the first step, which starts from zeros. */
  moments?: readonly [expAvg: tf.Variable, expAvgSq: tf.Variable];
}

/** The numbers of one update; what they are multiplied by follows PyTorch's order of operations. */
interface Coefficients extends Record<string, number> {
  readonly keep: number; // 1 - rate * weightDecay
  readonly stepSize: number; // rate / (1 - beta1^step)
  readonly correction: number; // sqrt(1 - beta2^step)
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), step for step as
 * `torch.optim.AdamW`.
 *
 * A variable without a gradient in a step is left alone, and its step count with it. Every variable
 * is decayed unless `decays` says otherwise. `learningRate` may be set between steps.
 *
 * ```ts
 * const optimizer = new AdamW({ learningRate: 1e-5, weightDecay: 0.01 });
 * const variables = [...model.namedParameters().values()];
 * optimizer.minimize(() => loss(model.forward(batch)), false, variables);
 * ```
 */
export class AdamW extends tf.Optimizer {
  /** @internal tf.serialization's name of the class. */
  static get className(): string {
    return 'AdamW';
  }

  /** The rate of the next step, before `rates`. */
  learningRate: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly #decays: (name: string, variable: tf.Variable) => boolean;
  readonly #rates: (name: string, variable: tf.Variable) => number;
  readonly #slots = new Map<string, Slot>();

  /** @throws InputError where a number is out of its range. */
  constructor(options: AdamWOptions = {}) {
    super();
    this.learningRate = atLeastZero('learningRate', options.learningRate ?? 1e-3);
    this.weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0.01);
    this.beta1 = fraction('beta1', options.beta1 ?? 0.9);
    this.beta2 = fraction('beta2', options.beta2 ?? 0.999);
    this.epsilon = atLeastZero('epsilon', options.epsilon ?? 1e-8);
    this.#decays = options.decays ?? (() => true);
    this.#rates = options.rates ?? (() => 1);
  }

  /**
   * One step: updates every variable that has a gradient. Nothing is read, so a lazy backend runs
   * the gradients and the update in one pass.
   *
   * @param variableGradients gradients by tf variable name, or a list of `{name, tensor}`; null
   * entries are skipped.
   * @throws InputError where no variable has such a name.
   */
  applyGradients(variableGradients: Gradients): void {
    this.applyScaledGradients(variableGradients);
  }

  /**
   * As {@link applyGradients}, with every gradient multiplied by `scale` (default 1), such as that of clipping, in the
   * same pass.
   */
  applyScaledGradients(variableGradients: Gradients, scale?: tf.Scalar): void {
    const updates = this.#updates(variableGradients);
    tf.tidy(() => {
      for (const update of updates) this.#update(update, scale);
    });
    this.incrementIterations();
  }

  #updates(gradients: Gradients): Update[] {
    const list = Array.isArray(gradients)
      ? gradients
      : Object.entries(gradients).map(([name, tensor]) => ({ name, tensor }));
    const registered = tf.engine().registeredVariables;
    return list
      .filter(({ tensor }) => isPresent(tensor))
      .map(({ name, tensor }) => {
        const variable = registered[name];
        if (variable === undefined) {
          throw new InputError(`adamw: a gradient must name a variable that exists, got '${name}'`);
        }
        return { name, variable, gradient: tensor };
      });
  }

  #update({ name, variable, gradient }: Update, scale?: tf.Scalar): void {
    let slot = this.#slots.get(name);
    if (slot === undefined) this.#slots.set(name, (slot = { step: 0 }));
    slot.step += 1;
    const rate = this.learningRate * this.#rates(name, variable);
    const decay = this.#decays(name, variable) ? this.weightDecay : 0;
    const numbers = this.#coefficients(slot.step, rate, decay);
    const { moments = [] } = slot;
    const [value, ...next] = adamwUpdate({ variable, gradient, scale, moments }, numbers);
    variable.assign(value!);
    if (slot.moments === undefined) slot.moments = keep(next);
    else slot.moments.forEach((moment, i) => moment.assign(next[i]!));
  }

  #coefficients(step: number, rate: number, decay: number): Coefficients {
    return {
      keep: 1 - rate * decay,
      stepSize: rate / (1 - this.beta1 ** step),
      correction: Math.sqrt(1 - this.beta2 ** step),
      beta1: this.beta1,
      beta2: this.beta2,
      epsilon: this.epsilon,
    };
  }

  /**
   * The moments by variable name: the optimizer's own tensors, which the next step replaces. Do not
   * dispose them.
   */
  state(): Map<string, AdamWMoments> {
    const state = new Map<string, AdamWMoments>();
    for (const [name, { step, moments }] of this.#slots) {
      if (moments !== undefined)
        state.set(name, { step, expAvg: moments[0], expAvgSq: moments[1] });
    }
    return state;
  }

  /**
   * Takes moments over (copies of them), as a checkpoint holds them.
   *
   * @param moments by variable name; what the optimizer held before is dropped.
   * @param iterations the optimizer's own count of steps.
   */
  setState(moments: ReadonlyMap<string, AdamWMoments>, iterations: number): void {
    this.#drop();
    for (const [name, { step, expAvg, expAvgSq }] of moments) {
      this.#slots.set(name, { step, moments: keep([expAvg, expAvgSq]) });
    }
    this.iterations_ = iterations;
  }

  /**
   * The state in TensorFlow.js's form: `iter`, then `<variable>/step`, `<variable>/exp_avg` and
   * `<variable>/exp_avg_sq`. The counts are new tensors, the moments the optimizer's own.
   */
  override async getWeights(): Promise<NamedTensor[]> {
    const weights = [await this.saveIterations()];
    for (const [name, slot] of this.state()) {
      weights.push({ name: `${name}/step`, tensor: tf.scalar(slot.step, 'int32') });
      weights.push({ name: `${name}/exp_avg`, tensor: slot.expAvg });
      weights.push({ name: `${name}/exp_avg_sq`, tensor: slot.expAvgSq });
    }
    return weights;
  }

  /** Restores what {@link getWeights} gave. @throws InputError where an entry is missing. */
  override async setWeights(weightValues: NamedTensor[]): Promise<void> {
    const rest = await this.extractIterations(weightValues);
    const byName = new Map(rest.map(({ name, tensor }) => [name, tensor]));
    const moments = new Map<string, AdamWMoments>();
    for (const [name, tensor] of byName) {
      if (!name.endsWith('/step')) continue;
      const variable = name.slice(0, -'/step'.length);
      const expAvg = byName.get(`${variable}/exp_avg`);
      const expAvgSq = byName.get(`${variable}/exp_avg_sq`);
      if (expAvg === undefined || expAvgSq === undefined) {
        throw new InputError(`adamw: the weights hold '${name}' without both of its moments`);
      }
      moments.set(variable, { step: (await tensor.data())[0]!, expAvg, expAvgSq });
    }
    this.setState(moments, this.iterations);
  }

  getConfig(): tf.serialization.ConfigDict {
    const { learningRate, weightDecay, beta1, beta2, epsilon } = this;
    return { learningRate, weightDecay, beta1, beta2, epsilon };
  }

  /** @internal tf.serialization's constructor. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    return new cls(config);
  }

  /** Frees the moments. */
  override dispose(): void {
    this.#drop();
  }

  #drop(): void {
    for (const { moments } of this.#slots.values()) if (moments) tf.dispose([...moments]);
    this.#slots.clear();
  }
}

interface Update {
  readonly name: string;
  readonly variable: tf.Variable;
  readonly gradient: tf.Tensor;
}

interface UpdateInputs {
  readonly variable: tf.Tensor;
  readonly gradient: tf.Tensor;
  readonly scale?: tf.Scalar;
  readonly moments: readonly tf.Tensor[];
}

/** Moments as the optimizer's own, which outlive the step. */
function keep(moments: readonly tf.Tensor[]): [tf.Variable, tf.Variable] {
  const [expAvg, expAvgSq] = moments.map((moment) => tf.variable(moment, false));
  return [expAvg!, expAvgSq!];
}

/** One variable's update, in PyTorch's order of operations (its single-tensor AdamW): the variable and its moments. */
function adamwUpdate(inputs: UpdateInputs, numbers: Coefficients): tf.Tensor[] {
  const { variable, gradient, scale, moments } = inputs;
  const [expAvg, expAvgSq] = moments;
  const named = { variable, gradient, scale, expAvg, expAvgSq };
  const given = Object.entries(named).filter(([, tensor]) => tensor !== undefined);
  return fused('AdamW', Object.fromEntries(given) as tf.NamedTensorMap, numbers, () =>
    composeAdamW(inputs, numbers),
  );
}

function composeAdamW(
  { variable, gradient, scale, moments }: UpdateInputs,
  { keep, stepSize, correction, beta1, beta2, epsilon }: Coefficients,
): tf.Tensor[] {
  const [expAvg, expAvgSq] =
    moments.length === 0 ? [tf.zerosLike(variable), tf.zerosLike(variable)] : moments;
  const scaled = scale === undefined ? gradient : tf.mul(gradient, scale);
  const mean = tf.add(expAvg!, tf.mul(tf.sub(scaled, expAvg!), 1 - beta1));
  const square = tf.add(tf.mul(expAvgSq!, beta2), tf.mul(tf.square(scaled), 1 - beta2));
  const denominator = tf.add(tf.div(tf.sqrt(square), correction), epsilon);
  const kept = keep === 1 ? variable : tf.mul(variable, keep);
  return [tf.sub(kept, tf.mul(tf.div(mean, denominator), stepSize)), mean, square];
}

function atLeastZero(name: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InputError(`adamw: ${name} must be a number of at least 0, got ${value}`);
}

function fraction(name: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new InputError(`adamw: ${name} must be in [0, 1), got ${value}`);
}

/** TensorFlow.js gives null as the gradient of a variable that the loss does not depend on. */
function isPresent(gradient: tf.Tensor | null | undefined): boolean {
  return gradient !== null && gradient !== undefined;
}
