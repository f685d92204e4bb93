// A picture of the model's answers: docs/images/emoji-predictions.png is one.
import sharp from 'sharp';
import type { Answer } from './answers.js';

const columns = 4;
const cell = { width: 200, height: 150, picture: 72 };

/** The picture of a tile's emoji and where it stands on the sheet. */
function place({ image }: Answer, index: number): { input: string; left: number; top: number } {
  const left = (index % columns) * cell.width + (cell.width - 64) / 2;
  return { input: image, left, top: Math.floor(index / columns) * cell.height + 12 };
}

/** A tile's words: the name, then the answer, green where it is right, red with the truth where not. */
function caption({ name, truth, predicted, probability }: Answer, index: number): string {
  const x = (index % columns) * cell.width + cell.width / 2;
  const y = Math.floor(index / columns) * cell.height + cell.picture + 24;
  const right = truth === predicted;
  const lines = [
    [name.length > 26 ? `${name.slice(0, 25)}…` : name, '#202124', 13],
    [`${predicted} ${Math.round(100 * probability)}%`, right ? '#137333' : '#c5221f', 14],
    [right ? '' : `is ${truth}`, '#5f6368', 12],
  ] as const;
  return lines
    .map(([text, colour, size], line) => {
      const style = `font-size="${size}" fill="${colour}" text-anchor="middle" font-family="sans-serif"`;
      return `<text x="${x}" y="${y + 18 * line}" ${style}>${escape(text)}</text>`;
    })
    .join('');
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Draws the answers as a PNG, four in a row. */
export async function contactSheet(answers: readonly Answer[], path: string): Promise<void> {
  const width = columns * cell.width;
  const height = Math.ceil(answers.length / columns) * cell.height;
  const words = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${answers
    .map(caption)
    .join('')}</svg>`;
  await sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite([...answers.map(place), { input: Buffer.from(words), left: 0, top: 0 }])
    .png({ palette: true })
    .toFile(path);
}
