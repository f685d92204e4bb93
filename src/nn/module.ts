import * as tf from '@tensorflow/tfjs-core';
import { ensureBackend } from '../backends/select.js';
import type { Initializer } from './initializers.js';
import { Random } from './random.js';
import { assignState } from './stateDict.js';
import type { LoadOptions, LoadReport, StateDict } from './stateDict.js';

/** Where a module stands in its model, and how its parameters get their first values. */
export interface Scope {
  /** The seed of the parameters' first values (default 42). */
  readonly seed?: number;
  /** What stands before the names of this module's parameters, ending in a dot; empty for a root. */
  readonly path?: string;
  /** False leaves parameters zero, for a module whose weights are loaded next (default true). */
  readonly initialize?: boolean;
}

/** The default seed, here and throughout the library. */
export const defaultSeed = 42;

/**
 * A part of a model: named parameters (trained), buffers (state that is saved but not trained) and
 * children, as `torch.nn.Module`. The names are the checkpoint's own and may hold dots. Values are kept
 * in PyTorch's layouts (a linear weight is [out, in], a convolution's is OIHW).
 *
 * A subclass calls `parameter`, `buffer` and `child` in its constructor, after `super(scope)`.
 */
export abstract class Module {
  readonly #scope: Required<Scope>;
  readonly #parameters = new Map<string, tf.Variable>();
  readonly #buffers = new Map<string, tf.Variable>();
  readonly #children = new Map<string, Module>();
  #frozen = false;
  #disposed = false;

  constructor(scope: Scope = {}) {
    ensureBackend();
    this.#scope = {
      seed: scope.seed ?? defaultSeed,
      path: scope.path ?? '',
      initialize: scope.initialize ?? true,
    };
  }

  /** What errors call it; a class that people load says so itself, as a bundler may rename it. */
  protected get typeName(): string {
    return this.constructor.name;
  }

  /** Adds a parameter; its first value depends on the seed and its full name alone. */
  protected parameter(
    name: string,
    shape: readonly number[],
    initialize: Initializer,
  ): tf.Variable {
    const { seed, path } = this.#scope;
    const values = new Float32Array(shape.reduce((size, length) => size * length, 1));
    if (this.#scope.initialize) initialize(values, shape, new Random(seed, path + name));
    return this.#variable(this.#parameters, name, tf.tensor(values, [...shape]), true);
  }

  /** Adds a buffer, every element of it `value`. */
  protected buffer(name: string, shape: readonly number[], value: number): tf.Variable {
    const values = new Float32Array(shape.reduce((size, length) => size * length, 1)).fill(value);
    return this.#variable(this.#buffers, name, tf.tensor(values, [...shape]), false);
  }

  /**
   * Adds a child, or what a function makes of the child's scope. An empty name adds the child's names
   * to this module's own.
   */
  protected child<T extends Module>(name: string, module: T | ((scope: Scope) => T)): T {
    this.#refuseDuplicate(name, this.#children);
    const path = name === '' ? this.#scope.path : `${this.#scope.path}${name}.`;
    const child = module instanceof Module ? module : module({ ...this.#scope, path });
    this.#children.set(name, child);
    return child;
  }

  /** Disposes a child, and forgets its names. */
  protected dropChild(name: string): void {
    this.#children.get(name)?.dispose();
    this.#children.delete(name);
  }

  /** This module under an empty name, and its children, by full name. */
  namedModules(): Map<string, Module> {
    const inner = [...this.#children].flatMap(([name, child]) =>
      [...child.namedModules()].map(([rest, module]): [string, Module] => [
        [name, rest].filter((part) => part !== '').join('.'),
        module,
      ]),
    );
    return new Map<string, Module>([...inner, ['', this]]);
  }

  /** The parameters of this module and its children, by full name, in the order they were added. */
  namedParameters(): Map<string, tf.Variable> {
    return this.#collect((module) => module.#parameters);
  }

  /** The buffers of this module and its children (BatchNorm's running statistics), by full name. */
  namedBuffers(): Map<string, tf.Variable> {
    return this.#collect((module) => module.#buffers);
  }

  /** The parameters that are trained: those outside frozen modules whose `trainable` is true. */
  trainableParameters(): Map<string, tf.Variable> {
    const thawed = this.#collect((module) =>
      module.#frozen ? new Map<string, tf.Variable>() : module.#parameters,
    );
    return new Map([...thawed].filter(([, variable]) => variable.trainable));
  }

  /**
   * Whether all of the parameters stay as they are: because the module was frozen, or each of them by itself. A frozen
   * encoder also runs in evaluation mode, and a frozen BatchNorm keeps its statistics.
   */
  get frozen(): boolean {
    if (this.#frozen) return true;
    const parameters = [...this.namedParameters().values()];
    return parameters.length > 0 && parameters.every((variable) => !variable.trainable);
  }

  set frozen(frozen: boolean) {
    this.#frozen = frozen;
    for (const variable of this.#parameters.values()) variable.trainable = !frozen;
    for (const child of this.#children.values()) child.frozen = frozen;
  }

  /** Remembers what is frozen; the function that is returned puts that back. */
  rememberFrozen(): () => void {
    const frozen = this.#frozen;
    const own = [...this.#parameters.values()].map(
      (variable) => [variable, variable.trainable] as const,
    );
    const ofChildren = [...this.#children.values()].map((child) => child.rememberFrozen());
    return () => {
      this.#frozen = frozen;
      for (const [variable, trainable] of own) variable.trainable = trainable;
      for (const restore of ofChildren) restore();
    };
  }

  /** Every parameter and buffer by its PyTorch name and in its PyTorch layout, for the caller to dispose. */
  stateDict(): Record<string, tf.Tensor> {
    return Object.fromEntries([...this.#state()].map(([name, value]) => [name, tf.clone(value)]));
  }

  /**
   * Takes over the values of a state dict, all or none of them; the dict stays the caller's.
   *
   * @throws InputError listing every missing, unexpected and misshapen name.
   */
  loadStateDict(dict: StateDict, options: LoadOptions = {}): LoadReport {
    return assignState(this.typeName, this.#state(), dict, options);
  }

  /** Frees the parameters and buffers; calling it again does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const child of this.#children.values()) child.dispose();
    for (const variable of this.#parameters.values()) variable.dispose();
    for (const variable of this.#buffers.values()) variable.dispose();
  }

  #state(): Map<string, tf.Variable> {
    return this.#collect((module) => new Map([...module.#parameters, ...module.#buffers]));
  }

  #variable(
    group: Map<string, tf.Variable>,
    name: string,
    value: tf.Tensor,
    trainable: boolean,
  ): tf.Variable {
    this.#refuseDuplicate(name, this.#parameters, this.#buffers);
    // TensorFlow.js wants names that no other variable has, in any model; a tensor's id is one.
    const variable = tf.variable(value, trainable, `${this.#scope.path}${name}#${value.id}`);
    value.dispose();
    group.set(name, variable);
    return variable;
  }

  #refuseDuplicate(name: string, ...groups: ReadonlyMap<string, unknown>[]): void {
    if (!groups.some((group) => group.has(name))) return;
    throw new Error(`internal: ${this.typeName} already has '${this.#scope.path}${name}'`);
  }

  #collect(
    own: (module: Module) => ReadonlyMap<string, tf.Variable>,
    prefix = '',
    found = new Map<string, tf.Variable>(),
  ): Map<string, tf.Variable> {
    for (const [name, variable] of own(this)) {
      if (found.has(prefix + name))
        throw new Error(`internal: two modules name '${prefix}${name}'`);
      found.set(prefix + name, variable);
    }
    for (const [name, child] of this.#children) {
      child.#collect(own, name === '' ? prefix : `${prefix}${name}.`, found);
    }
    return found;
  }
}
