// Step 1: rows from the emoji or from files, and what they look like.
import type {
  Columns,
  DataProblem,
  DataSummary,
  Engine,
  PickedFile,
  RowView,
} from '../protocol.js';
import { announce, byId, h, withStyle } from './dom.js';
import { chosen, filesOf } from './dropFiles.js';
import { count, counted, percent } from './format.js';
import { thumbnail } from './picture.js';
import { change, isRunning, messageOf, noRun, state, watch } from './store.js';

const rowsShown = 6;

/** Opens rows of an earlier visit; resolves to whether that could be done. */
export type OpenSaved = () => Promise<boolean>;

/** Wires the step to the engine. */
export function dataStep(engine: Engine): OpenSaved {
  const steps = new DataStep(engine);
  byId('use-emoji').addEventListener('click', () => void steps.openEmoji());
  const [files, folder] = [byId<HTMLInputElement>('files'), byId<HTMLInputElement>('folder')];
  byId('choose-files').addEventListener('click', () => files.click());
  byId('choose-folder').addEventListener('click', () => folder.click());
  for (const input of [files, folder]) {
    input.addEventListener('change', () => {
      const picked = chosen(input.files ?? []);
      input.value = ''; // the same files may be chosen again
      if (picked.length > 0) void steps.openFiles(picked);
    });
  }
  dropTarget(byId('drop'), (picked) => void steps.openFiles(picked));
  const buttons = ['use-emoji', 'choose-files', 'choose-folder'].map((id) =>
    byId<HTMLButtonElement>(id),
  );
  watch((now) => {
    const busy = now.device === undefined || isRunning(now);
    for (const button of buttons) button.disabled = busy;
    for (const box of byId('data-result').querySelectorAll('select')) box.disabled = busy;
  });
  return () => steps.open(() => engine.restore());
}

function dropTarget(zone: HTMLElement, onDrop: (files: PickedFile[]) => void): void {
  // Files dropped beside the zone must not replace the page.
  for (const type of ['dragover', 'drop'])
    addEventListener(type, (event) => event.preventDefault());
  zone.addEventListener('dragover', () => zone.classList.add('over'));
  zone.addEventListener('dragleave', () => zone.classList.remove('over'));
  zone.addEventListener('drop', ({ dataTransfer }) => {
    zone.classList.remove('over');
    if (dataTransfer === null || isRunning(state())) return;
    void filesOf(dataTransfer).then(onDrop);
  });
}

class DataStep {
  readonly #engine: Engine;
  readonly #problem = byId('data-problem');
  readonly #result = byId('data-result');
  #files: readonly PickedFile[] = [];
  #opened = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  openEmoji(): Promise<boolean> {
    this.#files = [];
    return this.open(() => this.#engine.openEmoji());
  }

  openFiles(files: readonly PickedFile[], columns?: Columns): Promise<boolean> {
    this.#files = files;
    return this.open(() => this.#engine.openFiles(files, columns), columns !== undefined);
  }

  /** Opens rows, and shows them or what is wrong with them; resolves to whether they could be opened. */
  async open(read: () => Promise<DataSummary | DataProblem>, again = false): Promise<boolean> {
    const turn = ++this.#opened; // only what is opened last counts
    this.#problem.replaceChildren();
    this.#result.setAttribute('aria-busy', 'true');
    if (!again) this.#result.replaceChildren(skeleton());
    change({ ...noRun, data: undefined });
    try {
      const result = await read();
      if (turn !== this.#opened) return false;
      if ('problem' in result) {
        this.#refuse(result);
        return false;
      }
      change({ data: result });
      await this.#show(result);
      announce(
        `${counted(result.rows, 'row')} with ${counted(result.labels.length, 'label')} loaded.`,
      );
      return true;
    } catch (error) {
      if (turn === this.#opened) this.#refuse({ problem: messageOf(error).split('\n') });
      return false;
    } finally {
      if (turn === this.#opened) this.#result.removeAttribute('aria-busy');
    }
  }

  /** Says what is wrong, with another choice of columns where that may help. */
  #refuse({ problem, choice }: DataProblem): void {
    const [first = '', ...rest] = problem;
    this.#problem.replaceChildren(
      h('div', { class: 'problem' }, [
        h('p', {}, [h('strong', {}, first)]),
        rest.length > 0 &&
          h(
            'ul',
            {},
            rest.map((line) => h('li', {}, line)),
          ),
      ]),
    );
    const columns = choice && h('div', { class: 'card' }, [this.#columns(choice)]);
    this.#result.replaceChildren(...(columns ? [columns] : []));
  }

  async #show(data: DataSummary): Promise<void> {
    const own = this.#files.length > 0;
    const table = h('div', { class: 'rows' });
    this.#result.replaceChildren(
      h('div', { class: 'card data' }, [
        summary(data),
        own && this.#columns(data),
        warnings(data.warnings),
        h('div', { class: 'data-parts' }, [labels(data), table]),
      ]),
    );
    await this.#page(table, data, 0);
  }

  /** Selects for what the columns hold, for files whose names were not guessed right. */
  #columns({ header, columns }: NonNullable<DataProblem['choice']>): HTMLElement {
    const select = (part: keyof Columns, name: string): HTMLElement => {
      const options = [
        h('option', { value: '', selected: columns[part] === null }, '(none)'),
        ...header.map((column) =>
          h('option', { value: column, selected: columns[part] === column }, column),
        ),
      ];
      const box = h('select', { id: `column-${part}` }, options, {
        change: () => {
          void this.openFiles(this.#files, { ...columns, [part]: box.value || null }).then(() =>
            document.getElementById(`column-${part}`)?.focus(),
          );
        },
      });
      return h('label', { class: 'field', for: `column-${part}` }, [h('span', {}, name), box]);
    };
    return h('div', { class: 'columns' }, [
      select('text', 'Text column'),
      select('image', 'Picture column'),
      select('label', 'Label column'),
    ]);
  }

  /** Shows other rows, and leaves the focus on the button that was pressed, if it still can be. */
  async #turn(table: HTMLElement, data: DataSummary, to: number, forward: boolean): Promise<void> {
    await this.#page(table, data, to);
    const [back, next] = table.querySelectorAll('button');
    const [pressed, other] = forward ? [next, back] : [back, next];
    (pressed?.disabled ? other : pressed)?.focus();
  }

  async #page(table: HTMLElement, data: DataSummary, start: number): Promise<void> {
    const rows = await this.#engine.rows(start, rowsShown);
    const end = start + rows.length;
    const turn = (to: number) => (): void => void this.#turn(table, data, to, to > start);
    const pager = h('div', { class: 'pager' }, [
      h('button', { type: 'button', disabled: start === 0, 'aria-label': 'Earlier rows' }, '←', {
        click: turn(Math.max(0, start - rowsShown)),
      }),
      h(
        'span',
        { role: 'status' },
        `Rows ${count(start + 1)} to ${count(end)} of ${count(data.rows)}`,
      ),
      h('button', { type: 'button', disabled: end >= data.rows, 'aria-label': 'Later rows' }, '→', {
        click: turn(end),
      }),
    ]);
    table.replaceChildren(rowTable(rows), pager);
  }
}

function summary({ name, rows, splits, labels: found }: DataSummary): HTMLElement {
  const title = name === 'emoji' ? 'Emoji' : name;
  const tile = (value: string, what: string): HTMLElement =>
    h('div', {}, [h('dd', {}, value), h('dt', {}, what)]);
  return h('div', { class: 'data-head' }, [
    h('h3', {}, title),
    h('dl', { class: 'figures' }, [
      tile(count(rows), rows === 1 ? 'row' : 'rows'),
      tile(count(found.length), 'labels'),
      tile(count(splits.train), 'to learn from'),
      tile(count(splits.validation), 'to check each pass'),
      tile(count(splits.test), 'held back to the end'),
    ]),
  ]);
}

function labels({ labels: found, rows }: DataSummary): HTMLElement {
  const most = Math.max(...found.map((label) => label.rows));
  const items = found.slice(0, 12).map((label) =>
    h('li', {}, [
      h('span', { class: 'label-name' }, label.name),
      withStyle(h('span', { class: 'bar', 'aria-hidden': true }), {
        '--share': `${(100 * label.rows) / most}%`,
      }),
      h('span', { class: 'label-rows' }, [
        count(label.rows),
        h('span', { class: 'visually-hidden' }, ` rows, ${percent(label.rows / rows)}`),
      ]),
    ]),
  );
  const more = found.length - items.length;
  return h('div', { class: 'labels' }, [
    h('h4', {}, 'Labels'),
    h('ul', {}, items),
    more > 0 && h('p', { class: 'muted' }, `and ${count(more)} more`),
  ]);
}

function warnings(texts: readonly string[]): HTMLElement | null {
  if (texts.length === 0) return null;
  return h(
    'ul',
    { class: 'warnings' },
    texts.map((text) => h('li', {}, text)),
  );
}

function rowTable(rows: readonly RowView[]): HTMLElement {
  const head = ['Picture', 'Text', 'Label', 'For'].map((name) => h('th', { scope: 'col' }, name));
  const purpose = { train: 'learning', validation: 'checking', test: 'held back' };
  const body = rows.map((row) =>
    h('tr', {}, [
      h('td', { class: 'pic' }, [
        row.image
          ? thumbnail(row.image, `Picture of row ${row.number}`)
          : h('span', { class: 'muted' }, 'none'),
      ]),
      h('td', {}, [
        h('span', { class: 'clamp' }, row.text ?? ''),
        row.text === undefined && h('span', { class: 'muted' }, 'none'),
      ]),
      h('td', { class: 'tight' }, row.label),
      h('td', { class: 'tight muted' }, purpose[row.split]),
    ]),
  );
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Rows' }, [
    h('table', {}, [
      h('caption', { class: 'visually-hidden' }, 'Some of the rows'),
      h('thead', {}, [h('tr', {}, head)]),
      h('tbody', {}, body),
    ]),
  ]);
}

function skeleton(): HTMLElement {
  return h('div', { class: 'card skeleton' }, [
    h('p', { class: 'muted', id: 'reading' }, 'Reading the rows'),
  ]);
}
