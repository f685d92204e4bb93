import { words } from './figures.js';
import { html } from './html.js';
import type { Html } from './html.js';
import type { Section } from './page.js';

/** What a run was made with, and how to make it again. */
export function configuration(
  config: Readonly<Record<string, unknown>> | undefined,
  command: string | undefined,
): Section | undefined {
  if (config === undefined && command === undefined) return undefined;
  const content = html`${
    command !== undefined &&
    html`<h3>Run it again</h3>
      <pre><code>${command}</code></pre>`
  }
  ${config !== undefined && settings(config)}`;
  return { id: 'configuration', title: 'Configuration', content };
}

/** The options of the training, and all of it as JSON. */
function settings(config: Readonly<Record<string, unknown>>): Html {
  const options = flat(config['training'] ?? {});
  return html`${
      options.length > 0 &&
      html`<h3>Training</h3>
        <dl class="options">
          ${options.map(
            ([name, value]) =>
              html`<div>
                <dt>${words(name)}</dt>
                <dd>${value}</dd>
              </div>`,
          )}
        </dl>`
    }
    <details>
      <summary>All of config.json</summary>
      <pre><code>${JSON.stringify(config, null, 2)}</code></pre>
    </details>`;
}

/** The fields of an object as words; those of objects within by their way: `auxiliary weight`. */
export function flat(value: unknown, name = ''): [name: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [[name, plain(value)]];
  }
  return Object.entries(value).flatMap(([key, one]) =>
    flat(one, name === '' ? key : `${name} ${key}`),
  );
}

function plain(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object'))
    return value.join(', ');
  return JSON.stringify(value) ?? '–';
}
