import type * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { BertResNetModel } from '../model.js';
import { addLora } from '../nn/lora.js';
import type { LoraConfig } from '../nn/lora.js';
import { blocksAbove, encoderOfParameter } from './layers.js';

/** What stays as it is in training. */
export interface FreezeOptions {
  /** The text encoder: true for the whole run, a number for its first so many epochs. */
  readonly text?: boolean | number;
  /** The image encoder, likewise. */
  readonly image?: boolean | number;
  /**
   * Parameters by name, for the whole run; `*` stands for anything:
   * `['text_encoder.embeddings.*', '*.bias']`.
   */
  readonly parameters?: readonly string[];
}

interface Freezing {
  readonly freeze: FreezeOptions;
  /** Epochs from one block of the encoders to the next; 0: all at once. */
  readonly gradualUnfreezing: number;
  /** Adapters of the text encoder, which are trained in its place. */
  readonly lora?: LoraConfig;
}

/**
 * Freezes what is frozen for the whole run, and thaws what is not; what is not mentioned stays as the model has it. With
 * `lora` the text encoder gets its adapters.
 *
 * @returns the parameters that are trained in some epoch, by name.
 * @throws InputError where a pattern names no parameter.
 */
export function freezeForRun(
  model: BertResNetModel,
  { freeze: { text, image, parameters = [] }, lora }: Freezing,
): Map<string, tf.Variable> {
  const whole = (frozen?: boolean | number): boolean | undefined =>
    typeof frozen === 'number' ? false : frozen;
  model.freeze({ text: whole(text), image: whole(image) });
  if (lora !== undefined) {
    const { r, alpha, dropout, targetModules } = lora;
    addLora(model.textEncoder, { r, alpha, dropout, targetModules });
  }
  const all = [...model.namedParameters()];
  for (const pattern of parameters) {
    const matched = all.filter(([name]) => matches(pattern, name));
    if (matched.length === 0) {
      throw new InputError(
        `trainer: freeze.parameters must name parameters of the model, got '${pattern}', which names none; ` +
          'model.namedParameters() lists them',
      );
    }
    for (const [, variable] of matched) variable.trainable = false;
  }
  return model.trainableParameters();
}

/**
 * Sets what is trained in an epoch (from 0) among the parameters of a run; Infinity stands for the end, when nothing is
 * held back.
 *
 * With `gradualUnfreezing` the encoders' blocks are thawed one after the other from the last to the first (Howard and
 * Ruder, 2018): the heads are trained alone at first, for as many epochs as `freeze` says or as one block takes.
 *
 * @param trained what {@link freezeForRun} returned
 * @returns those of the epoch
 */
export function freezeForEpoch(
  trained: ReadonlyMap<string, tf.Variable>,
  epoch: number,
  options: Freezing,
): Map<string, tf.Variable> {
  const held = heldBack(trained.keys(), epoch, options);
  for (const [name, variable] of trained) variable.trainable = !held.has(name);
  return new Map([...trained].filter(([name]) => !held.has(name)));
}

function heldBack(
  names: Iterable<string>,
  epoch: number,
  { freeze, gradualUnfreezing: pace }: Freezing,
): Set<string> {
  const above = blocksAbove(names);
  const isHeld = (name: string, blocks: number): boolean => {
    const asked = freeze[encoderOfParameter(name)!];
    const start = typeof asked === 'number' ? asked : pace;
    if (epoch < start) return true;
    return pace > 0 && blocks > Math.floor((epoch - start) / pace);
  };
  return new Set([...above].flatMap(([name, blocks]) => (isHeld(name, blocks) ? [name] : [])));
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
