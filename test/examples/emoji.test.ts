import { describe, expect, it } from 'vitest';
import { readRows } from '../../examples/emoji/build-data.js';
import { joinRows, leaks, splitOf, stemOf, wordPieces } from '../../examples/emoji/rows.js';

describe('stemOf', () => {
  it.each([
    ['woman running: facing right', 'running'],
    ['man firefighter', 'firefighter'],
    ['firefighter', 'firefighter'],
    ['family: man, woman, boy', 'family'],
    ['raised hand: dark skin tone', 'raised hand'],
    ['keycap: #', 'keycap'],
    ['old woman', 'person'],
    ['men’s room', 's room'],
    ['Mrs. Claus', 'claus'],
  ])('%s -> %s', (name, stem) => expect(stemOf(name)).toBe(stem));
});

describe('joinRows', () => {
  const groups = new Map([
    [0, 'smileys'],
    [9, 'flags'],
  ]);
  const picture = { unified: '263A-FE0F', image: '263a-fe0f.png', has_img_google: true };

  it('joins on code points without the variation selector', () => {
    const names = [{ label: 'smiling', hexcode: '263A', emoji: '☺️', group: 0, tags: ['a', 'b'] }];
    expect(joinRows(names, [picture], groups)).toEqual([
      {
        text: 'smiling, a, b',
        picture: '263a-fe0f.png',
        label: 'smileys',
        emoji: '☺️',
        name: 'smiling',
        stem: 'smiling',
        hexcode: '263A',
      },
    ]);
  });

  it('leaves out what has no picture, no group, or is a flag', () => {
    const entry = { label: 'x', hexcode: '263A', emoji: 'x', group: 0 };
    const noPicture = { ...picture, has_img_google: false };
    expect(joinRows([entry], [noPicture], groups)).toEqual([]);
    expect(joinRows([{ ...entry, group: undefined }], [picture], groups)).toEqual([]);
    expect(joinRows([{ ...entry, group: 9 }], [picture], groups)).toEqual([]);
  });
});

describe('the emoji rows', () => {
  const rows = readRows();

  it('are 1636 in 8 groups', () => {
    expect(rows).toHaveLength(1636);
    expect(new Set(rows.map((row) => row.label)).size).toBe(8);
  });

  it('have variants on one side of the split only', () => {
    expect(leaks(rows, (row) => splitOf(row.stem))).toEqual([]);
  });

  it('would leak if they were split by name', () => {
    expect(leaks(rows, (row) => splitOf(row.name)).length).toBeGreaterThan(50);
  });

  it('are split about 70 : 10 : 20, with every group in every part', () => {
    const share = (split: string): number =>
      rows.filter((r) => splitOf(r.stem) === split).length / 1636;
    expect(share('train')).toBeCloseTo(0.7, 1);
    expect(share('val')).toBeCloseTo(0.1, 1);
    expect(share('test')).toBeCloseTo(0.2, 1);
    for (const split of ['train', 'val', 'test']) {
      const part = rows.filter((row) => splitOf(row.stem) === split);
      expect(new Set(part.map((row) => row.label)).size).toBe(8);
    }
  });
});

describe('wordPieces', () => {
  it('marks continuations instead of beginnings', () => {
    expect(wordPieces(['[PAD]', '▁', '[unused1]', '[UNK]', '▁run', 'ing', '▁[', ']'])).toEqual([
      '[PAD]',
      '[unused0]',
      '[unused1]',
      '[UNK]',
      'run',
      '##ing',
      '[',
      '##]',
    ]);
  });
});
