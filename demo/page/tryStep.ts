// Step 4: a text and a picture of one's own, and what the answer rests on.
import type { Answer, Engine, Mode, Question, RowView } from '../protocol.js';
import { contribution, explain, ranked, widest } from './contribution.js';
import { announce, byId, h, setText, withStyle } from './dom.js';
import { modeNames, percent, points } from './format.js';
import { thumbnail } from './picture.js';
import { hasModel, watch } from './store.js';

const typingPause = 250;
const samplesShown = 8;

/** Builds the step. */
export function tryStep(engine: Engine): void {
  const view = new TryView(engine);
  byId('trial').append(view.root);
  watch((now, before) => {
    const ready = hasModel(now);
    view.enable(ready);
    if (ready && (!hasModel(before) || now === before)) void view.offerSamples();
    // A model that has learnt more may answer otherwise.
    if (ready && (now.outcome !== before.outcome || now.epochs !== before.epochs)) void view.ask();
  });
}

class TryView {
  readonly root: HTMLElement;
  readonly #engine: Engine;
  readonly #text = h('textarea', { id: 'try-text', rows: 3, placeholder: 'Write something' });
  readonly #file = h('input', { type: 'file', accept: 'image/*', hidden: true });
  readonly #well = h('button', { type: 'button', class: 'well', id: 'try-picture' });
  readonly #remove = h(
    'button',
    { type: 'button', class: 'quiet', hidden: true },
    'Remove the picture',
  );
  readonly #samples = h('div', { class: 'samples' });
  readonly #answer = h('div', { class: 'card answer', 'aria-live': 'off' });
  readonly #set: HTMLFieldSetElement;
  #picture: Blob | undefined;
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #right: string | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#text.addEventListener('input', () => {
      this.#right = undefined;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.ask(), typingPause);
    });
    this.#well.addEventListener('click', () => this.#file.click());
    this.#file.addEventListener('change', () => {
      const [file] = this.#file.files ?? [];
      if (file) this.#take(file);
      this.#file.value = '';
    });
    this.#remove.addEventListener('click', () => {
      this.#take(undefined);
      this.#well.focus();
    });
    this.#set = h('fieldset', { class: 'question' }, [
      h('legend', { class: 'visually-hidden' }, 'What to ask'),
      h('label', { class: 'field wide of-text', for: 'try-text' }, [h('span', {}, 'Text')]),
      this.#text,
      h('span', { class: 'field wide of-image', id: 'try-picture-label' }, [
        h('span', {}, 'Picture'),
      ]),
      this.#well,
      this.#file,
      this.#remove,
      h('p', { class: 'field wide' }, [h('span', {}, 'Or one of the rows that it has never seen')]),
      this.#samples,
    ]);
    this.root = h('div', { class: 'trial' }, [this.#set, this.#answer]);
    this.#dropAndPaste();
    this.#showWell();
    this.#showNothing();
  }

  enable(ready: boolean): void {
    if (this.#set.disabled === !ready) return;
    this.#set.disabled = !ready;
    if (!ready) this.#reset();
  }

  #reset(): void {
    this.#text.value = '';
    this.#picture = undefined;
    this.#right = undefined;
    this.#samples.replaceChildren();
    this.#showWell();
    this.#showNothing();
  }

  /** Shows some rows to ask about. */
  async offerSamples(): Promise<void> {
    const rows = await this.#engine.samples(samplesShown);
    this.#samples.replaceChildren(...rows.map((row) => this.#sample(row)));
  }

  #sample(row: RowView): HTMLElement {
    const name = row.text ?? `Row ${row.number}`;
    const content = row.image ? thumbnail(row.image, '') : h('span', { class: 'clamp' }, name);
    return h(
      'button',
      { type: 'button', class: 'sample', title: name, 'aria-label': `Ask about: ${name}` },
      [content],
      {
        click: () => {
          this.#text.value = row.text ?? '';
          this.#right = row.label;
          this.#picture = row.image;
          this.#showWell();
          void this.ask(true);
        },
      },
    );
  }

  #take(picture: Blob | undefined): void {
    this.#picture = picture;
    this.#right = undefined;
    this.#showWell();
    void this.ask(true);
  }

  #dropAndPaste(): void {
    this.#well.addEventListener('dragover', () => this.#well.classList.add('over'));
    this.#well.addEventListener('dragleave', () => this.#well.classList.remove('over'));
    this.#well.addEventListener('drop', ({ dataTransfer }) => {
      this.#well.classList.remove('over');
      const picture = [...(dataTransfer?.files ?? [])].find(({ type }) =>
        type.startsWith('image/'),
      );
      if (picture && !this.#set.disabled) this.#take(picture);
    });
    this.#set.addEventListener('paste', ({ clipboardData }) => {
      const picture = [...(clipboardData?.files ?? [])].find(({ type }) =>
        type.startsWith('image/'),
      );
      if (picture) this.#take(picture);
    });
  }

  #showWell(): void {
    this.#remove.hidden = this.#picture === undefined;
    const content =
      this.#picture === undefined
        ? [h('span', {}, 'Choose, drop or paste a picture')]
        : [
            h('span', { class: 'visually-hidden' }, 'Choose another picture'),
            thumbnail(this.#picture, ''),
          ];
    this.#well.replaceChildren(...content);
  }

  /** Asks about what stands there now; only the latest answer is shown. */
  async ask(aloud = false): Promise<void> {
    if (this.#set.disabled) return;
    const text = this.#text.value.trim();
    const question: Question = {
      ...(text !== '' && { text }),
      ...(this.#picture && { image: this.#picture }),
    };
    const asked = ++this.#asked;
    if (question.text === undefined && question.image === undefined) return this.#showNothing();
    try {
      const answer = await this.#engine.ask(question);
      if (asked !== this.#asked) return;
      this.#show(answer);
      if (aloud || document.activeElement === this.#text) {
        const top = ranked(answer.modes[widest(answer)]!)[0]!;
        announce(`${top.label}, ${percent(top.probability)}. ${explain(answer)}`);
      }
    } catch (error) {
      if (asked === this.#asked) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#answer.replaceChildren(
      h('div', { class: 'problem', role: 'alert' }, [h('p', {}, message)]),
    );
  }

  #showNothing(): void {
    this.#asked++;
    this.#answer.replaceChildren(
      h(
        'p',
        { class: 'placeholder' },
        'The answer appears here, with what the text and the picture each add to it.',
      ),
    );
  }

  #show(answer: Answer): void {
    const mode = widest(answer);
    const [top] = ranked(answer.modes[mode]!);
    const shown = (['text', 'image', 'both'] as const).filter(
      (one) => answer.modes[one] !== undefined,
    );
    this.#answer.replaceChildren(
      h('p', { class: `verdict of-${mode}` }, [
        h('strong', {}, top!.label),
        ' ',
        h('span', {}, percent(top!.probability)),
        rightness(top!.label, this.#right),
      ]),
      h('p', { class: 'explanation' }, explain(answer)),
      ...steps(answer),
      h(
        'div',
        { class: 'opinions' },
        shown.map((one) => opinion(one, answer, mode)),
      ),
    );
  }
}

/** Whether a row whose label is known was answered rightly. */
function rightness(given: string, right: string | undefined): HTMLElement | null {
  if (right === undefined) return null;
  return given === right
    ? h('span', { class: 'right-answer' }, '✓ right')
    : h('span', { class: 'wrong-answer' }, `✗ it is ${right}`);
}

/** From the guess of one who sees nothing to the answer, step by step. */
function steps(answer: Answer): HTMLElement[] {
  const parts = contribution(answer);
  if (parts === undefined) return [];
  const { label, prior, text, image } = parts;
  const line = (kind: string, name: string, from: number, to: number, value: string): HTMLElement =>
    h('li', { class: `of-${kind}${to < from ? ' less' : ''}` }, [
      h('span', {}, name),
      h('span', { class: 'track', 'aria-hidden': true }, [
        withStyle(h('span', { class: 'piece' }), {
          '--from': `${100 * Math.min(from, to)}%`,
          '--share': `${100 * Math.abs(to - from)}%`,
        }),
      ]),
      h('b', {}, value),
    ]);
  const heading = h('h3', {});
  setText(heading, `How it comes to “${label}”`);
  return [
    heading,
    h('ol', { class: 'waterfall' }, [
      line('none', 'Its share of the rows', 0, prior, percent(prior)),
      line('text', 'The text adds', prior, prior + text, points(text)),
      line('image', 'The picture adds', prior + text, prior + text + image, points(image)),
      line('both', 'Together', 0, prior + text + image, percent(prior + text + image)),
    ]),
  ];
}

/** What one input says, or both. */
function opinion(mode: Mode, answer: Answer, widestMode: Mode): HTMLElement {
  const name =
    mode === widestMode && mode !== 'both'
      ? modeNames[mode]
      : { text: 'The text alone', image: 'The picture alone', both: 'Both together' }[mode];
  const rows = ranked(answer.modes[mode]!)
    .slice(0, 3)
    .map(({ label, probability }) =>
      h('li', {}, [
        h('span', { class: 'label-name' }, label),
        withStyle(h('span', { class: 'bar', 'aria-hidden': true }), {
          '--share': `${100 * probability}%`,
        }),
        h('b', {}, percent(probability)),
      ]),
    );
  return h('div', { class: `opinion of-${mode}` }, [h('h4', {}, name), h('ul', {}, rows)]);
}
