import { unavailable } from '../unavailable.browser.js';
import type { ImageProblem } from './csvProblem.js';

/** The path that a cell names, relative to a folder. */
export function resolveImage(root: string, cell: string): string {
  return `${root}/${cell.replaceAll('\\', '/')}`;
}

/** The pictures that lie in a CSV file's folder. */
export class ImageFolder {
  constructor(root: string, _allowOutside: boolean) {
    throw unavailable('csv', `the folder of pictures ${root}`);
  }

  problem(_cell: string): ImageProblem | undefined {
    throw unavailable('csv', 'a folder of pictures');
  }
}
