import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { truncatedLengths } from '../../src/datasets/tokenizerBatch.js';
import { tokenizerJsonFromVocab, vocabTokens } from '../../src/datasets/tokenizerJson.js';
import { bertNormalizer, bertWords } from '../../src/datasets/tokenizerNormalize.js';

interface Encoding {
  readonly maxLength: number;
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly token_type_ids: number[][];
}

interface Fixture {
  readonly vocab: string[];
  readonly texts: string[];
  readonly settings: Record<string, Record<string, boolean>>;
  readonly ids: Record<string, number[][]>;
  readonly batches: (Encoding & { texts: string[] })[];
  readonly pairs: (Encoding & { pairs: [string, string][] })[];
}

const fixtureFile = new URL('../fixtures/tokenizer/bert.json', import.meta.url);
const fixture = JSON.parse(await readFile(fixtureFile, 'utf8')) as Fixture;
const folders: string[] = [];

async function folderWith(files: Record<string, unknown>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bertresnet-tokenizer-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    await writeFile(join(folder, name), text);
  }
  return folder;
}

const vocabFile = fixture.vocab.map((token) => token + '\n').join('');

function withSettings(name: string, form: 'vocab.txt' | 'tokenizer.json'): Promise<string> {
  const config = { tokenizer_class: 'BertTokenizer', ...fixture.settings[name] };
  const content = form === 'vocab.txt' ? vocabFile : tokenizerJsonFromVocab(fixture.vocab, {});
  return folderWith({ [form]: content, 'tokenizer_config.json': config });
}

const idsOf = (tokenizer: BertTokenizer, text: string, maxLength = 512): number[] => [
  ...tokenizer.encodeHost([text], { maxLength }).inputIds,
];

function rowsOf(values: Int32Array, length: number): number[][] {
  return Array.from({ length: values.length / length }, (_, row) => [
    ...values.subarray(row * length, (row + 1) * length),
  ]);
}

let tokenizer: BertTokenizer;
beforeAll(async () => {
  await useBackend('cpu');
  tokenizer = await BertTokenizer.fromVocab(fixture.vocab);
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

describe('ids equal those of transformers', () => {
  for (const name of Object.keys(fixture.settings)) {
    for (const form of ['vocab.txt', 'tokenizer.json'] as const) {
      it(`${name}, from ${form}`, async () => {
        const read = await BertTokenizer.fromPretrained(await withSettings(name, form));
        const got = fixture.texts.map((text) => idsOf(read, text));
        expect(got).toEqual(fixture.ids[name]);
      });
    }
  }

  it('truncated and padded to the longest of the batch', () => {
    for (const { texts, maxLength, ...expected } of fixture.batches) {
      const got = tokenizer.encodeHost(texts, { maxLength });
      expect(rowsOf(got.inputIds, got.length)).toEqual(expected.input_ids);
      expect(rowsOf(got.attentionMask, got.length)).toEqual(expected.attention_mask);
      expect(rowsOf(got.tokenTypeIds, got.length)).toEqual(expected.token_type_ids);
    }
  });

  it('pairs, the longer text truncated first', () => {
    for (const { pairs, maxLength, ...expected } of fixture.pairs) {
      const got = tokenizer.encodeHost(pairs, { maxLength });
      expect(rowsOf(got.inputIds, got.length)).toEqual(expected.input_ids);
      expect(rowsOf(got.attentionMask, got.length)).toEqual(expected.attention_mask);
      expect(rowsOf(got.tokenTypeIds, got.length)).toEqual(expected.token_type_ids);
    }
  });
});

describe('text clean-up', () => {
  const uncased = {
    cleanText: true,
    handleChineseChars: true,
    stripAccents: null,
    lowercase: true,
  };

  it('knows the classes of the tokenizers library, not those of the engine', () => {
    const normalize = bertNormalizer(uncased);
    expect(normalize('ΟΔΟΣ')).toBe('οδοσ');
    expect(normalize('İ')).toBe('i');
    expect(normalize('a𠀀b')).toBe('a 𠀀 b');
    expect(normalize('a\u0000b\ufffdc\u200dd\ue000e')).toBe('abcde');
    expect(normalize('a\u1abfb')).toBe('a\u1abfb');
    expect(bertWords('x\u2e52y')).toEqual(['x\u2e52y']);
    expect(bertWords(' a,b\u3000c ')).toEqual(['a', ',', 'b', 'c']);
  });

  it('normalising twice changes nothing more', () => {
    const normalize = bertNormalizer(uncased);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const once = bertWords(normalize(text)).join(' ');
        expect(bertWords(normalize(once)).join(' ')).toBe(once);
      }),
    );
  });

  it('reads a lone surrogate as U+FFFD', () => {
    const replaced = idsOf(tokenizer, 'hello \ufffd world\ufffd');
    expect(idsOf(tokenizer, 'hello \ud800 world\udc00')).toEqual(replaced);
  });
});

describe('a batch', () => {
  const anyText = fc.string({ unit: 'binary', maxLength: 40 });
  const anyTexts = fc.array(anyText, { minLength: 1, maxLength: 5 });

  it('is what each text alone is, padded on the right', () => {
    fc.assert(
      fc.property(anyTexts, fc.integer({ min: 2, max: 20 }), (texts, limit) => {
        const batch = tokenizer.encodeHost(texts, { maxLength: limit });
        const rows = rowsOf(batch.inputIds, batch.length);
        const masks = rowsOf(batch.attentionMask, batch.length);
        expect(batch.length).toBeLessThanOrEqual(limit);
        texts.forEach((text, row) => {
          const alone = idsOf(tokenizer, text, limit);
          const padding = Array<number>(batch.length - alone.length).fill(tokenizer.padId);
          expect(rows[row]).toEqual([...alone, ...padding]);
          expect(masks[row]).toEqual([...alone.map(() => 1), ...padding.map(() => 0)]);
          expect(alone.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
        });
      }),
    );
  });

  it('truncation keeps as much as fits, of both texts', () => {
    const lengths = fc.nat(50);
    fc.assert(
      fc.property(lengths, lengths, lengths, (first, second, room) => {
        const [a, b] = truncatedLengths(first, second, room);
        expect(a + b).toBe(Math.min(room, first + second));
        expect(a).toBeLessThanOrEqual(first);
        expect(b).toBeLessThanOrEqual(second);
        if (a < first && b < second) expect(Math.abs(a - b)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('pairs may be given beside the texts', () => {
    const beside = tokenizer.encodeHost(['hello', 'so'], { pairs: ['world', 'good'] });
    expect(beside).toEqual(
      tokenizer.encodeHost([
        ['hello', 'world'],
        ['so', 'good'],
      ]),
    );
    expect([...beside.tokenTypeIds].includes(1)).toBe(true);
  });

  it('is int32 tensors [batch, length]', async () => {
    const before = tf.memory().numTensors;
    const encoded = tokenizer.encode(['hello world', 'so'], { maxLength: 64 });
    const host = tokenizer.encodeHost(['hello world', 'so']);
    for (const name of ['inputIds', 'attentionMask', 'tokenTypeIds'] as const) {
      expect(encoded[name].dtype).toBe('int32');
      expect(encoded[name].shape).toEqual([2, host.length]);
      expect(await encoded[name].data()).toEqual(host[name]);
    }
    tf.dispose(encoded as unknown as tf.TensorContainer);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('one string is a batch of one', () => {
    expect(tokenizer.encodeHost('hello')).toEqual(tokenizer.encodeHost(['hello']));
  });
});

describe('what cannot be encoded', () => {
  it('is refused', () => {
    const encoding = (texts: unknown) => () => tokenizer.encodeHost(texts as string[]);
    expect(encoding([])).toThrow(/tokenizer: texts must be an array of one string or more/);
    expect(encoding(undefined)).toThrow(/got undefined/);
    expect(encoding(['a', 7])).toThrow(/text 1 must be a string .*got a number/);
    expect(encoding([null])).toThrow(/text 0 must be a string .*got null/);
    expect(encoding([['a', 'b', 'c']])).toThrow(/text 0 .*an array of 3/);
    const unpaired = () => tokenizer.encodeHost(['a'], { pairs: [] });
    expect(unpaired).toThrow(/pairs must be as many as the texts \(1\), got 0/);
  });

  it('has no room for the special tokens', () => {
    const within = (maxLength: number) => () => tokenizer.encodeHost(['a'], { maxLength });
    expect(within(1)).toThrow(/maxLength must be an integer of at least 2/);
    expect(within(9.5)).toThrow(/got 9.5/);
    expect(() => tokenizer.encodeHost([['a', 'b']], { maxLength: 2 })).toThrow(/at least 3/);
    expect(tokenizer.encodeHost(['a'], { maxLength: 2 }).length).toBe(2);
  });
});

describe('files', () => {
  it('what is saved is read back to the same ids', async () => {
    const folder = await folderWith({});
    for (const name of Object.keys(fixture.settings)) {
      const source = await withSettings(name, 'vocab.txt');
      const original = await BertTokenizer.fromPretrained(source, { maxLength: 33 });
      await original.save(folder);
      const copy = await BertTokenizer.fromPretrained(folder);
      expect(copy.maxLength).toBe(33);
      expect(copy.vocabSize).toBe(fixture.vocab.length);
      expect(copy.toJSON()).toEqual(original.toJSON());
      expect(fixture.texts.map((text) => idsOf(copy, text))).toEqual(fixture.ids[name]);
    }
  });

  it('a vocab.txt may be named itself', async () => {
    const folder = await folderWith({ 'words.txt': vocabFile.replaceAll('\n', '\r\n') });
    const path = join(folder, 'words.txt');
    const read = await BertTokenizer.fromPretrained(path, { lowercase: false });
    expect(idsOf(read, 'Hello')).toEqual([2, fixture.vocab.indexOf('Hello'), 3]);
    expect(read.toConfigJSON().do_lower_case).toBe(false);
  });

  it('a vocabulary is a line a token, blank and last lines included', () => {
    expect(vocabTokens('\ufeffa\r\n\nb\n')).toEqual(['a', '', 'b']);
    expect(vocabTokens('a\nb')).toEqual(['a', 'b']);
  });

  it('maxLength is model_max_length, 512 without one or where it means no limit', async () => {
    const read = async (config: object) => {
      const files = { 'vocab.txt': vocabFile, 'tokenizer_config.json': config };
      return BertTokenizer.fromPretrained(await folderWith(files));
    };
    expect((await read({ model_max_length: 128 })).maxLength).toBe(128);
    expect((await read({ model_max_length: 1e30 })).maxLength).toBe(512);
    expect((await read({})).maxLength).toBe(512);
  });

  it('special tokens of other names', async () => {
    const tokens = ['<pad>', '<unk>', '<s>', '</s>', 'hello'];
    const config = {
      pad_token: '<pad>',
      unk_token: { content: '<unk>' },
      cls_token: '<s>',
      sep_token: '</s>',
    };
    const files = { 'vocab.txt': tokens.join('\n'), 'tokenizer_config.json': config };
    const folder = await folderWith(files);
    const read = await BertTokenizer.fromPretrained(folder);
    expect(idsOf(read, 'hello <s> you')).toEqual([2, 4, 2, 1, 3]);
    expect(read.padId).toBe(0);
  });

  it('added tokens are found before anything else', async () => {
    const json = tokenizerJsonFromVocab(fixture.vocab, {});
    const id = fixture.vocab.length;
    json.added_tokens!.push({ id, content: 'Wörld', special: false, normalized: false });
    const read = await BertTokenizer.fromPretrained(await folderWith({ 'tokenizer.json': json }));
    expect(read.vocabSize).toBe(id + 1);
    expect(idsOf(read, 'hello Wörld')).toContain(id);
  });

  it('are refused where they are not those of a WordPiece tokenizer', async () => {
    const json = tokenizerJsonFromVocab(fixture.vocab, {});
    const refused = async (files: Record<string, unknown>, message: RegExp) => {
      const reading = BertTokenizer.fromPretrained(await folderWith(files));
      await expect(reading).rejects.toThrow(message);
    };
    await refused({ 'config.json': {} }, /must hold tokenizer.json or vocab.txt/);
    const missing = BertTokenizer.fromPretrained(join(await folderWith({}), 'words.txt'));
    await expect(missing).rejects.toThrow(/a vocabulary must be a file .*, got no 'words.txt' in /);
    await refused({ 'tokenizer.json': '{"mod' }, /tokenizer.json/);
    await refused({ 'tokenizer.json': { model: { type: 'BPE' } } }, /WordPiece model .*got BPE/);
    await refused({ 'tokenizer.json': {} }, /must hold model.vocab/);
    await refused({ 'tokenizer.json': { ...json, post_processor: null } }, /post_processor/);
    await refused({ 'vocab.txt': 'a\nb\n' }, /must hold \[UNK\], got 2 tokens/);
    const left = { 'vocab.txt': vocabFile, 'tokenizer_config.json': { padding_side: 'left' } };
    await refused(left, /padding_side must be right/);
  });
});
