// Step 2: how text and picture are joined, how large the model is, and what that costs here.
import type { Engine, Setup } from '../protocol.js';
import { fusions, sizes } from '../sizes.js';
import type { FusionName, SizeName } from '../sizes.js';
import { byId, h, s, setText } from './dom.js';
import { about, magnitude } from './format.js';
import { isRunning, state, watch } from './store.js';

const form = byId<HTMLFormElement>('setup');

/** What is chosen. */
export function chosenSetup(): Setup {
  const data = new FormData(form);
  return {
    fusion: data.get('fusion') as FusionName,
    size: data.get('size') as SizeName,
    epochs: Math.min(200, Math.max(1, Math.round(Number(data.get('epochs'))) || 1)),
    vary: data.get('vary') !== null,
  };
}

/** Shows a setup as what is chosen. */
export function chooseSetup({ fusion, size, epochs, vary }: Setup): void {
  radio('fusion', fusion).checked = true;
  radio('size', size).checked = true;
  control('epochs').value = String(epochs);
  control('vary').checked = vary;
}

const radio = (name: string, value: string): HTMLInputElement =>
  form.querySelector<HTMLInputElement>(`input[name="${name}"][value="${value}"]`)!;
const control = (name: string): HTMLInputElement =>
  form.elements.namedItem(name) as HTMLInputElement;

/** Builds the form, and keeps the estimate true. */
export function modelStep(engine: Engine): void {
  const estimate = h('p', { class: 'estimate', role: 'status' });
  form.append(fusionChoice(), sizeChoice(), moreSettings(), estimate);
  form.addEventListener('submit', (event) => event.preventDefault());
  const estimator = new Estimator(engine, estimate);
  form.addEventListener('change', ({ target }) => {
    const { name, value } = target as HTMLInputElement;
    if (name === 'size') control('epochs').value = String(sizes[value as SizeName].epochs);
    estimator.refresh();
  });
  watch((now, before) => {
    const locked = isRunning(now);
    for (const set of form.querySelectorAll('fieldset')) set.disabled = locked;
    if (now.data !== before.data || now.device !== before.device) estimator.refresh();
  });
}

/** Says how long a training will take: measured here, once for each size. */
class Estimator {
  #asked = 0;

  constructor(
    readonly engine: Engine,
    readonly place: HTMLElement,
  ) {}

  refresh(): void {
    const { data, device } = state();
    const asked = ++this.#asked;
    if (device === undefined || data === undefined) {
      return setText(
        this.place,
        'How long it takes is measured on this device once there are rows.',
      );
    }
    if (isRunning(state())) return;
    setText(this.place, 'Measuring a few steps on this device…');
    void this.#measure(asked);
  }

  async #measure(asked: number): Promise<void> {
    let text = '';
    try {
      const { parameters, seconds } = await this.engine.estimate(chosenSetup());
      text =
        `${magnitude(parameters)} parameters; about ${about(seconds)} to train here, ` +
        'as a few steps just now took.';
    } catch {
      // A run has begun, or other rows were opened.
    }
    if (asked === this.#asked) setText(this.place, text);
  }
}

function fusionChoice(): HTMLElement {
  const options = Object.entries(fusions).map(([value, { name, about: text }], i) =>
    option('fusion', value, i === 0, [
      diagram(value as FusionName),
      h('span', { class: 'option-name' }, name),
      h('span', { class: 'option-about' }, text),
    ]),
  );
  return h('fieldset', {}, [
    h('legend', {}, 'How are text and picture joined?'),
    h('div', { class: 'options four' }, options),
  ]);
}

function sizeChoice(): HTMLElement {
  const options = Object.entries(sizes).map(([value, { name, about: text }], i) =>
    option('size', value, i === 0, [
      h('span', { class: 'option-name' }, name),
      h('span', { class: 'option-about' }, text),
    ]),
  );
  return h('fieldset', {}, [
    h('legend', {}, 'How large?'),
    h('div', { class: 'options two' }, options),
  ]);
}

function option(
  name: string,
  value: string,
  checked: boolean,
  content: readonly Node[],
): HTMLElement {
  return h('label', { class: 'option' }, [
    h('input', { type: 'radio', name, value, checked }),
    ...content,
  ]);
}

function moreSettings(): HTMLElement {
  return h('details', { class: 'help' }, [
    h('summary', {}, 'More settings'),
    h('fieldset', { class: 'settings' }, [
      h('legend', { class: 'visually-hidden' }, 'More settings'),
      h('label', { class: 'field' }, [
        h('span', {}, 'Passes over the rows'),
        h('input', {
          type: 'number',
          name: 'epochs',
          min: 1,
          max: 200,
          step: 1,
          value: sizes.tiny.epochs,
        }),
      ]),
      h('label', { class: 'check' }, [
        h('input', { type: 'checkbox', name: 'vary', checked: true }),
        h(
          'span',
          {},
          'Vary the rows at random: leave words out, turn, move and recolour pictures. It keeps the model from learning few rows by heart.',
        ),
      ]),
    ]),
  ]);
}

/** How each fusion joins the two, as a small picture. */
function diagram(fusion: FusionName): SVGElement {
  const dot = (kind: string, x: number, y: number, r = 4): SVGElement =>
    s('circle', { class: `of-${kind}`, cx: x, cy: y, r });
  const wire = (d: string): SVGElement => s('path', { class: 'wire', d });
  const both = dot('both', 56, 16, 5);
  const [text, image] = [dot('text', 8, 7), dot('image', 8, 25)];
  const parts: Readonly<Record<FusionName, readonly SVGElement[]>> = {
    late: [
      wire('M8 7H36Q48 7 56 16M8 25H36Q48 25 56 16'),
      ...[text, image, dot('text', 34, 7), dot('image', 34, 25), both],
    ],
    mlp: [
      wire('M8 7 32 13M8 25 32 19M32 16H56'),
      s('rect', { class: 'of-both', x: 28, y: 7, width: 8, height: 18, rx: 3 }),
      ...[text, image, both],
    ],
    attention: [
      wire('M8 7H32Q46 7 56 16M8 25H32Q46 25 56 16'),
      ...[text, image, dot('text', 32, 7, 6), dot('image', 32, 25, 2.5), both],
    ],
    cnn: [
      wire('M8 7 24 15M8 25 24 17M46 16H56'),
      s('path', { class: 'signal', d: 'M25 18v-4M30 22V10M35 20v-8M40 23V9M45 18v-4' }),
      ...[text, image, both],
    ],
  };
  const size = { viewBox: '0 0 64 32', width: 64, height: 32 };
  return s('svg', { class: 'diagram', ...size, 'aria-hidden': true }, parts[fusion]);
}
