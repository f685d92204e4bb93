import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { CsvDataset } from '../../src/datasets/csv.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { decodeImage } from '../../src/datasets/image.node.js';
import { findLeakage } from '../../src/evaluation/leakage.js';
import { hammingDistance, imagePrint, NearImages } from '../../src/evaluation/nearImages.js';
import { jaccard, NearTexts, normalizedText, shingles } from '../../src/evaluation/nearTexts.js';
import fixture from '../fixtures/evaluation.json';

const rows = (texts: readonly string[]) => datasetFrom(texts.map((text) => ({ text, label: 'a' })));

describe('findLeakage, texts', () => {
  it('finds equal texts whatever their case, links and white space, and near ones', async () => {
    const train = rows([
      'Sunrise over the harbour this morning, what a view!',
      'the cat sat on the mat',
      'something else entirely',
    ]);
    const test = rows([
      'sunrise over the  harbour this morning, what a view! http://t.co/abc',
      'Sunrise over the harbour this morning, what a view!!!',
      'the dog lay on the rug',
      'http://t.co/xyz',
    ]);
    const { counts, rows: found } = await findLeakage(train, test);
    expect(counts).toEqual({ rows: 2, sameText: 1, nearText: 1, sameImage: 0, nearImage: 0 });
    expect(found[0]).toMatchObject({ position: 0, text: { train: 0, same: true, similarity: 1 } });
    expect(found[1]).toMatchObject({ position: 1, row: 'examples row 2' });
    expect(found[1]!.text).toMatchObject({ train: 0, trainRow: 'examples row 1', same: false });
    expect(found[1]!.text!.similarity).toBeGreaterThan(0.8);
    expect(found[1]!.text!.similarity).toBeLessThan(1);
  });

  it('the index finds what comparing every pair finds', () => {
    const word = fc.constantFrom('red', 'blue', 'house', 'boat', 'in the', 'rain', 'sun');
    const text = fc.array(word, { minLength: 1, maxLength: 8 }).map((words) => words.join(' '));
    const texts = fc.array(text, { minLength: 1, maxLength: 20 });
    const least = fc.constantFrom(0.3, 0.5, 0.8, 1);
    fc.assert(
      fc.property(texts, texts, least, (known, asked, similarity) => {
        const sets = known.map(shingles);
        const index = new NearTexts(sets, similarity);
        for (const one of asked.map(shingles)) {
          const each = sets.map((set) => jaccard(one, set));
          const best = Math.max(...each);
          const expected =
            best >= similarity ? { index: each.indexOf(best), similarity: best } : undefined;
          expect(index.nearest(one)).toEqual(expected);
        }
      }),
    );
  });

  it('jaccard is the share of common elements', () => {
    const set = fc.uniqueArray(fc.integer({ min: -5, max: 5 }), { minLength: 1 });
    fc.assert(
      fc.property(set, set, (a, b) => {
        const both = a.filter((one) => b.includes(one)).length;
        const sorted = [a, b].map((one) => Int32Array.from(one).toSorted());
        expect(jaccard(sorted[0]!, sorted[1]!)).toBe(both / new Set([...a, ...b]).size);
      }),
    );
  });

  it('compares what people read', () => {
    expect(normalizedText('  Ｈello\n WORLD https://a.b/c?d ')).toBe('hello world');
    expect(shingles('ab').length).toBe(1);
    expect(shingles('aaaaaaaa').length).toBe(1);
    expect(shingles('abcdefg').length).toBe(3);
  });
});

/** A picture with structure, and a colour of its own. */
function scene(hue: string, moved = 0): Buffer {
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="90"><rect width="120" height="90" fill="#224"/>` +
      `<circle cx="${40 + moved}" cy="40" r="25" fill="${hue}"/><path d="M0 90 L60 50 L120 80 Z" fill="#484"/></svg>`,
  );
}

const png = (picture: Buffer): Promise<Buffer> => sharp(picture).png().toBuffer();
const pictures = (images: readonly Uint8Array[]) =>
  datasetFrom(images.map((image) => ({ image, label: 'a' })));

describe('findLeakage, pictures', () => {
  it('finds equal and recompressed and resized ones, and no others', async () => {
    const original = await png(scene('#e33'));
    const train = pictures([await png(scene('#ee3', 30)), original]);
    const test = pictures([
      await sharp(original).png({ compressionLevel: 0 }).toBuffer(),
      await sharp(original).jpeg({ quality: 60 }).toBuffer(),
      await sharp(original).resize(200, 150).toBuffer(),
      await png(scene('#33e')), // the same form in another colour
      await png(scene('#e33', 55)),
    ]);
    const { rows: found, counts } = await findLeakage(train, test);
    expect(found.map(({ position }) => position)).toEqual([0, 1, 2]);
    expect(found.map(({ image }) => [image!.train, image!.same])).toEqual([
      [1, true],
      [1, false],
      [1, false],
    ]);
    expect(counts).toMatchObject({ rows: 3, sameImage: 1, nearImage: 2, sameText: 0 });
    expect((await findLeakage(train, test, { images: false })).rows).toEqual([]);
  });

  it('counts pictures that cannot be read, and names the rows of files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bertresnet-leakage-'));
    await writeFile(join(folder, 'a.png'), await png(scene('#e33')));
    await writeFile(join(folder, 'broken.png'), 'no picture');
    const csv = 'text,image,label\none thing,a.png,x\nanother thing,broken.png,y\n';
    await writeFile(join(folder, 'train.csv'), csv);
    const train = await CsvDataset.open(join(folder, 'train.csv'));
    const report = await findLeakage(train, train);
    expect(report.unreadable).toBe(2);
    expect(report.rows[0]!.image!.trainRow).toMatch(/train\.csv row 1 \(line 2\)$/);
    expect(report.counts).toMatchObject({ sameText: 2, sameImage: 1 });
    await rm(folder, { recursive: true });
  });

  for (const [name, expected] of Object.entries(fixture.hashes)) {
    it(`the difference hash of ${name} is that of Pillow's pixels`, async () => {
      const path = new URL(`../fixtures/images/${name}`, import.meta.url).pathname;
      const { bits } = imagePrint(await decodeImage(path, { maxPixels: 1e6 }));
      const binary = Array.from(bits, (word) => word.toString(2).padStart(32, '0')).join('');
      expect(binary).toBe(expected);
    });
  }

  it('the index finds what comparing every pair finds', () => {
    const bits = fc.array(fc.integer({ min: 0, max: 127 }), { maxLength: 9 }).map((flipped) => {
      const words = new Uint32Array(4);
      for (const bit of flipped) words[bit >> 5]! ^= 1 << (bit & 31);
      return { bits: words, colours: new Uint8Array(192) };
    });
    const prints = fc.array(bits, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(prints, prints, (known, asked) => {
        const index = new NearImages(known);
        for (const one of asked) {
          const each = known.map((print) => hammingDistance(one, print));
          const best = Math.min(...each);
          const expected = best <= 7 ? { index: each.indexOf(best), distance: best } : undefined;
          expect(index.nearest(one)).toEqual(expected);
        }
      }),
    );
  });

  it('refuses a similarity that means nothing', async () => {
    const one = rows(['a text']);
    await expect(findLeakage(one, one, { textSimilarity: 80 })).rejects.toThrow('got 80');
  });
});
