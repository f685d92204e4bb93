// What the library says about rows, as this page says it.

type Words = (count: string, isOne: boolean) => string;

/** By the reasons that a `CsvDataset` counts. */
const reasonWords: Readonly<Record<string, Words>> = {
  'missing image': (rows, one) =>
    `${rows} ${one ? 'names' : 'name'} a picture that is not among the files`,
  'unusable image': (rows, one) =>
    `${rows} ${one ? 'names' : 'name'} a picture by an address; it must be among the files`,
  'image outside': (rows, one) =>
    `${rows} ${one ? 'names' : 'name'} a picture outside of the folder of the CSV`,
  'empty image': (rows, one) => `${rows} ${one ? 'has' : 'have'} no picture`,
  'empty text': (rows, one) => `${rows} ${one ? 'has' : 'have'} no text`,
  'empty label': (rows, one) =>
    `${rows} ${one ? 'has' : 'have'} no label and ${one ? 'is' : 'are'} left out`,
  'ragged row': (rows, one) =>
    `${rows} ${one ? 'has' : 'have'} more or fewer cells than the header and ${one ? 'is' : 'are'} left out`,
  'invalid UTF-8': (rows, one) =>
    `${rows} ${one ? 'holds' : 'hold'} characters that are not UTF-8 and ${one ? 'is' : 'are'} left out`,
};

/** A line for each reason. */
export function plainReasons(reasons: Readonly<Record<string, number>>): string[] {
  return Object.entries(reasons).map(([reason, count]) => `${plainReason(reason, count)}.`);
}

function plainReason(reason: string, count: number): string {
  const rows = count === 1 ? '1 row' : `${count.toLocaleString('en')} rows`;
  return reasonWords[reason]?.(rows, count === 1) ?? `${rows}: ${reason}`;
}

/** An error of the library as lines; its advice is for those who write code. */
export function plainError(message: string, path: string, name: string): string[] {
  const said = message.replace(/^csv: /, '').replaceAll(path, name);
  const unusable = /^none of the (.*?) of .* can be used: (.*)$/.exec(said);
  if (unusable) {
    const parts = unusable[2]!.split(', ').map((part) => /^(\d+) (.*)$/.exec(part));
    const lines = parts.flatMap((part) =>
      part ? [`${plainReason(part[2]!, Number(part[1]))}.`] : [],
    );
    return [`None of the ${unusable[1]} can be used.`, ...lines];
  }
  const roles = /^(.*) has no column that looks like a text or an image; it has (.*?);/.exec(said);
  if (roles) {
    return [
      `No column of ${name} looks like a text or a picture.`,
      `Its columns are ${roles[2]}.`,
      'Choose the columns below.',
    ];
  }
  const several = /any of the columns (.*) could be the (\w+);/.exec(said);
  if (several) {
    const part = several[2] === 'image' ? 'picture' : several[2]!;
    return [
      `It is not clear which column is the ${part}.`,
      `It could be ${several[1]}.`,
      'Choose the columns below.',
    ];
  }
  const [first = '', ...rest] = said.split('; ');
  return [
    `${capital(first)}.`,
    ...rest.filter((line) => !/\bpass\b/.test(line)).map((line) => `${capital(line)}.`),
  ];
}

const capital = (text: string): string =>
  text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, '');
