import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contribution, explain, ranked } from '../../demo/page/contribution.js';
import type { Answer } from '../../demo/protocol.js';

const of = (dog: number): { dog: number; cat: number } => ({ dog, cat: 1 - dog });
const answer = (text: number, image: number, both: number, prior = 0.5): Answer => ({
  modes: { text: of(text), image: of(image), both: of(both) },
  prior: of(prior),
});

describe('the contribution of text and picture', () => {
  it('is what each adds, so that the share of the rows and both make the answer', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, share, share, (text, image, both, prior) => {
        const parts = contribution(answer(text, image, both, prior))!;
        const probability = ranked(of(both))[0]!.probability;
        expect(parts.prior + parts.text + parts.image).toBeCloseTo(probability, 10);
      }),
    );
  });

  it('is nothing for an input that changes nothing, and equal for inputs that do the same', () => {
    // By hand: the text alone stays at the prior, and does not change what the picture says.
    expect(contribution(answer(0.5, 0.9, 0.9))).toEqual({
      label: 'dog',
      prior: 0.5,
      text: 0,
      image: 0.4,
    });
    const { text, image } = contribution(answer(0.7, 0.7, 0.8))!;
    expect(text).toBeCloseTo(0.15, 10);
    expect(image).toBeCloseTo(0.15, 10);
    expect(contribution({ modes: { text: of(0.6) }, prior: of(0.5) })).toBeUndefined();
  });

  it('is said in a sentence', () => {
    expect(explain(answer(0.8, 0.55, 0.9))).toBe(
      'Text and picture agree on dog, and the text adds more to it than the picture.',
    );
    expect(explain(answer(0.7, 0.7, 0.8))).toBe(
      'Text and picture agree on dog, and each adds about as much.',
    );
    expect(explain(answer(0.9, 0.2, 0.7))).toBe(
      'They disagree: the text says dog (90%), the picture cat (80%); the text prevails.',
    );
    expect(explain(answer(0.9, 0.2, 0.3))).toContain('the picture prevails');
    expect(explain(answer(0.6, 0.6, 0.2))).toBe('Each alone says dog, together they say cat.');
    expect(explain({ modes: { image: of(0.9) }, prior: of(0.5) })).toBe(
      'It has the picture alone to go by: add a text to see what that changes.',
    );
  });
});
