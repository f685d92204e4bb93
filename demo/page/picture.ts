import { h } from './dom.js';

/** A picture that is in memory, as an image whose address lives as long as it is shown. */
export function thumbnail(picture: Blob, alt: string): HTMLImageElement {
  const url = URL.createObjectURL(picture);
  const image = h('img', { src: url, alt, class: 'thumb' });
  const done = (): void => URL.revokeObjectURL(url);
  image.addEventListener('load', done);
  image.addEventListener('error', done);
  return image;
}
