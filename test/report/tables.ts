/** What is read of a page, its marks left out. */
export function textOf(page: string): string {
  const [, body] = page.split('</head>');
  return body!.replace(/<[^>]*>/g, '').replace(/\s+/g, ' ');
}

/** The cells of a table by its caption, without its header; a better figure has a star before it. */
export function tableOf(page: string, caption: string): string[][] {
  const [, after] = page.split(`<p class="caption">${caption}</p>`);
  if (after === undefined) throw new Error(`test: no table is called '${caption}'`);
  const [body] = after.split('<tbody>')[1]!.split('</tbody>');
  const rows = [...body!.matchAll(/<tr>([^]*?)<\/tr>/g)].map(([, row]) => row!);
  return rows.map((row) =>
    [...row.matchAll(/<t[hd][^>]*>([^]*?)<\/t[hd]>/g)].map(([, cell]) => {
      const star = cell!.includes('class="best"') ? '*' : '';
      return (
        star +
        cell!
          .replace(/<[^>]*>/g, ' ')
          .trim()
          .replace(/\s+/g, ' ')
      );
    }),
  );
}
