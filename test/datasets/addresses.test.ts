import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openCsvPath, openImageFolder } from '../../src/datasets/csvOpen.browser.js';
import { decodeImage } from '../../src/datasets/image.browser.js';
import { findFolder } from '../../src/weights/hub.browser.js';

const picture = await readFile(new URL('../fixtures/images/rgba.png', import.meta.url));
const refused = (name: string) => Object.assign(new Error(name), { name });

/** A private file system in which only `inside` is. */
function root(inside = ''): object {
  const found = (name: string, entry: object) =>
    name === inside ? Promise.resolve(entry) : Promise.reject(refused('NotFoundError'));
  const file = { kind: 'file', name: inside, getFile: async () => new File([picture], inside) };
  return {
    kind: 'directory',
    name: '',
    values: async function* () {
      yield file;
    },
    getDirectoryHandle: () => Promise.reject(refused('NotFoundError')),
    getFileHandle: (name: string) => found(name, file),
  };
}

const pages: Record<string, object> = {
  'with private files': { storage: { getDirectory: async () => root() } },
  'that came by http': {},
  'in a private window': {
    storage: { getDirectory: () => Promise.reject(refused('SecurityError')) },
  },
};

/** Lets a page's address answer everything; what it is asked for. */
function visit(navigator: object): string[] {
  const asked: string[] = [];
  vi.stubGlobal('navigator', navigator);
  vi.stubGlobal('location', { href: 'http://host/app/page/index.html' });
  vi.stubGlobal('fetch', async (url: URL | string) => {
    asked.push(String(url));
    return new Response(String(url).endsWith('.csv') ? 'text,image\na,b\n' : picture);
  });
  return asked;
}

afterEach(() => void vi.unstubAllGlobals());

describe.each(Object.keys(pages))('on a page %s', (page) => {
  const paths = [
    ['a.x', 'http://host/app/page/a.x'],
    ['./a.x', 'http://host/app/page/a.x'],
    ['../data/a.x', 'http://host/app/data/a.x'],
    ['./../data/a.x', 'http://host/app/data/a.x'],
    ['/data/a.x', 'http://host/data/a.x'],
    ['https://other/a.x', 'https://other/a.x'],
  ] as const;

  it.each(paths)('%s is an address, of rows and of pictures', async (path, address) => {
    const asked = visit(pages[page]!);
    const csv = path.replace('.x', '.csv');
    expect((await openCsvPath(csv)).source.name).toBe('a.csv');
    await decodeImage(path.replace('.x', '.png'), { maxPixels: 1e6 });
    const images = await openImageFolder(path.replace('a.x', ''));
    expect(images).toBeTypeOf('function');
    expect(asked).toEqual([address.replace('.x', '.csv'), address.replace('.x', '.png')]);
  });

  it('so is a folder, of pictures and of a model', async () => {
    const asked = visit(pages[page]!);
    for (const folder of ['../img', '../img/'])
      await decodeImage('1.png', { maxPixels: 1e6, baseFolder: folder });
    expect(asked).toEqual(['http://host/app/img/1.png', 'http://host/app/img/1.png']);
    for (const model of ['../model', './model', '/model', 'https://host/model'])
      expect((await findFolder(model))?.source).toBe(model);
  });
});

it('what is in the private file system is read from there', async () => {
  const asked = visit({ storage: { getDirectory: async () => root('1.png') } });
  for (const path of ['1.png', './1.png', '/1.png', 'opfs:1.png', 'img/../1.png'])
    await decodeImage(path, { maxPixels: 1e6 });
  await decodeImage('../1.png', { maxPixels: 1e6, baseFolder: 'img' });
  expect((await openCsvPath('./1.png')).source.name).toBe('1.png');
  expect(asked).toEqual([]);
});
