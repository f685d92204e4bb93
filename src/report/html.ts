/** A piece of HTML: what came from outside is escaped in it. */
export class Html {
  constructor(readonly text: string) {}
}

/** What may stand in a piece of HTML; nothing is written for what is absent. */
export type Content = Html | string | number | undefined | false | readonly Content[];

/** HTML of a template: every value is escaped, but for what is HTML already. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(parts.reduce((sum, part, i) => sum + written(values[i - 1]) + part));
}

function written(value: Content): string {
  if (value instanceof Html) return value.text;
  if (value === undefined || value === false) return '';
  if (typeof value === 'object') return value.map(written).join('');
  return escaped(String(value));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML shows it, in an element or in a quoted attribute; control characters are left out. */
function escaped(text: string): string {
  const shown = text.replace(/[^\P{Cc}\t\n\r]/gu, '');
  return shown.replace(/[&<>"']/g, (mark) => entities[mark]!);
}
