import { html, Html } from './html.js';
import { style } from './style.js';

/** A part of a page. */
export interface Section {
  /** What the navigation leads to. */
  readonly id: string;
  readonly title: string;
  readonly content: Html;
}

/** A whole page that needs nothing else: no script, no font, no file. */
export function page(
  title: string,
  lead: Html,
  sections: readonly (Section | undefined)[],
): string {
  const shown = sections.filter((section) => section !== undefined);
  const { text } = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta
        http-equiv="Content-Security-Policy"
        content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"
      />
      <title>${title}</title>
      <style>
        ${new Html(style)}
      </style>
    </head>
    <body>
      <header>
        <h1>${title}</h1>
        ${lead}
        <nav aria-label="Sections">
          ${shown.map(({ id, title: name }) => html`<a href="#${id}">${name}</a>`)}
        </nav>
      </header>
      <main>
        ${shown.map(
          (section) =>
            html`<section id="${section.id}" aria-labelledby="${section.id}-title">
              <h2 id="${section.id}-title">${section.title}</h2>
              ${section.content}
            </section>`,
        )}
      </main>
    </body>
  </html>`;
  return `<!doctype html>\n${text}\n`;
}

/** A column of a table: figures stand to the right. */
export interface Column {
  readonly name: string;
  readonly figures?: boolean;
}

/** A table that scrolls where the screen is narrow; the first cell of a row is its heading. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly (Html | string | number)[])[],
): Html {
  const side = (column: number): string => (columns[column]?.figures ? 'n' : '');
  return html`<p class="caption">${caption}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="${caption}">
      <table>
        <thead>
          <tr>
            ${columns.map(({ name }, i) => html`<th scope="col" class="${side(i)}">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (cells) =>
              html`<tr>
                ${cells.map((cell, i) =>
                  i === 0
                    ? html`<th scope="row" class="${side(i)}">${cell}</th>`
                    : html`<td class="${side(i)}">${cell}</td>`,
                )}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

/** A bar as long as a share, behind its number. */
export function bar(share: number, text: string): Html {
  return html`<span class="bar" style="--share:${share.toFixed(3)}">${text}</span>`;
}
