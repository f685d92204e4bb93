// Step 5: what was learnt, as files.
import type { Engine } from '../protocol.js';
import { byId, h, setText } from './dom.js';
import { watch } from './store.js';

const inNode = `import { BertResNetModel } from 'bertresnet';

const model = await BertResNetModel.fromPretrained('model');
const [answer] = await model.predict([
  { text: 'so good', image: 'photo.jpg' },
]);
console.log(answer.label, answer.probability);`;

const inPython = `from safetensors.torch import load_file

state = load_file("model/model.safetensors")
for name, tensor in state.items():
    print(name, tuple(tensor.shape))`;

/** Builds the step. */
export function takeStep(engine: Engine): void {
  const model = h(
    'button',
    { type: 'button', class: 'primary', id: 'download-model' },
    'Download the model',
  );
  const metrics = h('button', { type: 'button', id: 'download-metrics' }, 'Download the metrics');
  const report = h('button', { type: 'button', id: 'download-report' }, 'Download the report');
  const said = h('p', { class: 'muted', role: 'status' });
  model.addEventListener('click', () => void save(model, () => engine.model(), 'model.zip', said));
  metrics.addEventListener(
    'click',
    () => void save(metrics, () => engine.metrics(), 'metrics.json', said),
  );
  report.addEventListener(
    'click',
    () => void save(report, () => engine.report(), 'report.html', said),
  );
  byId('taking').append(
    h('div', { class: 'buttons' }, [model, report, metrics]),
    said,
    h('div', { class: 'charts' }, [
      code('In Node or a bundler, unzipped', inNode),
      code('In Python', inPython),
    ]),
  );
  watch(({ outcome }) => {
    model.disabled = metrics.disabled = report.disabled = outcome === undefined;
    if (outcome === undefined) setText(said, 'They are here once a model is trained.');
    else if (said.textContent?.startsWith('They')) setText(said, '');
  });
}

function code(title: string, text: string): HTMLElement {
  return h('div', { class: 'card code' }, [
    h('h3', {}, title),
    h('pre', { tabindex: 0, 'aria-label': title }, [h('code', {}, text)]),
  ]);
}

async function save(
  button: HTMLButtonElement,
  make: () => Promise<Blob>,
  name: string,
  said: HTMLElement,
): Promise<void> {
  button.disabled = true;
  setText(said, `Packing ${name}…`);
  try {
    const blob = await make();
    const url = URL.createObjectURL(blob);
    h('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    setText(said, `${name} is ready: ${size(blob.size)}.`);
  } catch (error) {
    setText(said, error instanceof Error ? error.message : String(error));
  } finally {
    button.disabled = false;
  }
}

const size = (bytes: number): string =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
