// The list of steps: which are done, and which is looked at.
import { hasModel, watch } from './store.js';
import type { State } from './store.js';

const names = ['data', 'model', 'train', 'try', 'take'] as const;
type StepName = (typeof names)[number];

/** Whether there is what a step needs, and whether it is done. */
function standing(step: StepName, now: State): 'locked' | 'open' | 'done' {
  const { data, steps, outcome } = now;
  if (step === 'data') return data === undefined ? 'open' : 'done';
  if (data === undefined) return 'locked';
  if (step === 'model') return steps.length > 0 || outcome ? 'done' : 'open';
  if (step === 'train') return outcome ? 'done' : 'open';
  if (step === 'try') return hasModel(now) ? 'open' : 'locked';
  return outcome ? 'open' : 'locked';
}

export function stepsNav(): void {
  const links = new Map(
    names.map((name) => [
      name,
      document.querySelector<HTMLAnchorElement>(`a[data-step="${name}"]`)!,
    ]),
  );
  watch((now) => {
    for (const [name, link] of links) {
      const is = standing(name, now);
      link.dataset['is'] = is;
      document.getElementById(name)!.dataset['is'] = is;
    }
  });
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        const link = links.get(target.id as StepName)!;
        if (!isIntersecting) continue;
        for (const other of links.values()) other.removeAttribute('aria-current');
        link.setAttribute('aria-current', 'step');
      }
    },
    { rootMargin: '-25% 0px -70% 0px' },
  );
  for (const name of names) seen.observe(document.getElementById(name)!);
}
