// What text and picture each contribute to an answer.
import type { Answer, Mode, Probabilities } from '../protocol.js';
import { percent } from './format.js';

/** A label and how probable it is. */
export interface Ranked {
  readonly label: string;
  readonly probability: number;
}

/** The labels, the most probable first. */
export function ranked(probabilities: Probabilities): Ranked[] {
  return Object.entries(probabilities)
    .map(([label, probability]) => ({ label, probability }))
    .toSorted((a, b) => b.probability - a.probability);
}

/** The mode of an answer that rests on all that was given. */
export function widest({ modes }: Answer): Mode {
  return modes.both !== undefined ? 'both' : modes.text !== undefined ? 'text' : 'image';
}

/** How an answer's probability comes about: it is the sum of the three. */
export interface Contribution {
  readonly label: string;
  /** The label's share of the rows trained on. */
  readonly prior: number;
  readonly text: number;
  readonly image: number;
}

/**
 * What the text and the picture each add to the probability of the answer, beginning from the label's share of the
 * rows: the mean of what an input adds to nothing and of what it adds to the other one. (For two inputs these are
 * Shapley's values; Shapley 1953, "A value for n-person games".)
 */
export function contribution({ modes, prior }: Answer): Contribution | undefined {
  const { text, image, both } = modes;
  if (text === undefined || image === undefined || both === undefined) return undefined;
  const { label } = ranked(both)[0]!;
  const [p, t, i, none] = [both[label]!, text[label]!, image[label]!, prior[label]!];
  return { label, prior: none, text: (t - none + p - i) / 2, image: (i - none + p - t) / 2 };
}

/** The answer and what it rests on, in a sentence or two. */
export function explain(answer: Answer): string {
  const mode = widest(answer);
  const top = ranked(answer.modes[mode]!)[0]!;
  if (mode !== 'both') {
    const [given, missing] = mode === 'text' ? ['text', 'picture'] : ['picture', 'text'];
    return `It has the ${given} alone to go by: add a ${missing} to see what that changes.`;
  }
  const text = ranked(answer.modes.text!)[0]!;
  const image = ranked(answer.modes.image!)[0]!;
  const says = (one: Ranked): string => `${one.label} (${percent(one.probability)})`;
  const { text: fromText, image: fromImage } = contribution(answer)!;
  if (text.label !== image.label) {
    const side =
      top.label === text.label
        ? 'the text prevails'
        : top.label === image.label
          ? 'the picture prevails'
          : `together they say ${top.label}`;
    return `They disagree: the text says ${says(text)}, the picture ${says(image)}; ${side}.`;
  }
  if (text.label !== top.label)
    return `Each alone says ${text.label}, together they say ${top.label}.`;
  const [more, less] = fromText >= fromImage ? ['text', 'picture'] : ['picture', 'text'];
  const [most, least] = fromText >= fromImage ? [fromText, fromImage] : [fromImage, fromText];
  if (least <= 0.02)
    return `Both alone say ${top.label}; the certainty comes from the ${more}, and the ${less} adds nothing to it.`;
  if (most < 1.5 * least)
    return `Text and picture agree on ${top.label}, and each adds about as much.`;
  return `Text and picture agree on ${top.label}, and the ${more} adds more to it than the ${less}.`;
}
