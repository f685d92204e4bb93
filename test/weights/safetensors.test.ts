import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.js';
import type { StateDict } from '../../src/nn/stateDict.js';
import {
  parseSafetensors,
  readSafetensors,
  writeSafetensors,
} from '../../src/weights/safetensors.js';
import type { SafetensorsOptions } from '../../src/weights/safetensors.js';
import { describeBackends } from '../backends.js';

interface Expected {
  readonly shape: number[];
  readonly values: (number | string)[];
}

const fixtures = new URL('../fixtures/weights/', import.meta.url);
const fixture = async (name: string): Promise<Uint8Array> => readFile(new URL(name, fixtures));
const expectedOf = async (part: string): Promise<Map<string, Expected>> => {
  const json = JSON.parse(await readFile(new URL('expected.json', fixtures), 'utf8'));
  return new Map(Object.entries(json[part]));
};
const plain = (values: ArrayLike<number>): number[] => Array.from(values, Number);
const numbers = ({ values }: Expected): number[] =>
  values.map((value) =>
    typeof value === 'string' ? Number(value.replace('inf', 'Infinity')) : value,
  );

/** A file of this header (an object or JSON) and this data. */
function file(header: object | string, data: ArrayLike<number> = []): Uint8Array {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const entry = (dtype: string, shape: unknown, begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const refusal = (bytes: Uint8Array): string => {
  try {
    parseSafetensors(bytes, 'some.safetensors');
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  throw new Error('was not refused');
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('what Python wrote', () => {
  test.each(['dtypes', 'writable'])('%s is read to the last bit', async (name) => {
    const { tensors, metadata } = parseSafetensors(await fixture(`${name}.safetensors`));
    const expected = await expectedOf(name);
    expect(metadata).toEqual({ format: 'pt' });
    expect([...tensors.keys()].toSorted()).toEqual([...expected.keys()].toSorted());
    for (const [key, tensor] of tensors) {
      expect(tensor.shape, key).toEqual(expected.get(key)!.shape);
      expect(plain(tensor.values), key).toEqual(numbers(expected.get(key)!));
    }
  });

  test('types become float32, int32 and bytes', async () => {
    const { tensors } = parseSafetensors(await fixture('dtypes.safetensors'));
    for (const [name, { dtype, values }] of tensors) {
      const held = /F/.test(dtype) ? Float32Array : dtype === 'BOOL' ? Uint8Array : Int32Array;
      expect(values, name).toBeInstanceOf(held);
    }
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype)).size).toBe(13);
  });

  test('an empty file holds nothing', async () => {
    const { tensors, metadata } = parseSafetensors(await fixture('none.safetensors'));
    expect([tensors.size, metadata]).toEqual([0, {}]);
  });

  test('a type without a counterpart is refused by its name', async () => {
    const bytes = await fixture('float8.safetensors');
    expect(() => parseSafetensors(bytes, 'float8')).toThrow(
      /float8: tensor 'scale': the type F8_E4M3 is not supported; save it as one of F64, F32/,
    );
  });

  test('all of float16, by its bits', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const bytes = file({ x: entry('F16', [65536], 0, 131072) }, new Uint8Array(bits.buffer));
    const { values } = parseSafetensors(bytes).tensors.get('x')!;
    const view = new DataView(new ArrayBuffer(4));
    for (const i of bits) {
      const [exponent, fraction] = [(i >> 10) & 31, i & 1023];
      if (exponent === 0) continue; // Subnormals: below.
      const wide = exponent === 31 ? 255 : exponent + 112;
      view.setUint32(0, ((i >>> 15) << 31) | (wide << 23) | (fraction << 13));
      if (!Object.is(values[i], view.getFloat32(0)))
        expect(values[i], `bits ${i}`).toBe(view.getFloat32(0));
    }
    expect(Object.is(values[0x8000], -0)).toBe(true);
    for (const fraction of [1, 2, 511, 1023]) expect(values[fraction]).toBe(fraction * 2 ** -24);
  });
});

describe('what is read', () => {
  test('aligned data is viewed, and unaligned data is copied', () => {
    const header = JSON.stringify({ x: entry('F32', [1], 0, 4), m: entry('BOOL', [1], 4, 5) });
    for (const padding of [0, 1, 2, 3]) {
      const bytes = file(header + ' '.repeat(padding), [0, 0, 128, 63, 1]);
      const start = bytes.length - 5;
      const { tensors } = parseSafetensors(bytes);
      const shared = tensors.get('x')!.values.buffer === bytes.buffer;
      expect(shared).toBe(start % 4 === 0);
      expect(plain(tensors.get('x')!.values)).toEqual([1]);
      expect(tensors.get('m')!.values.buffer).toBe(bytes.buffer);
    }
  });

  test('a view into a larger buffer, and an unaligned Buffer of the pool', () => {
    const bytes = file({ x: entry('F32', [1], 0, 4) }, [0, 0, 128, 63]);
    for (const offset of [0, 1, 5, 8]) {
      const larger = Buffer.alloc(bytes.length + 20, 7);
      larger.set(bytes, offset);
      const part = larger.subarray(offset, offset + bytes.length);
      expect(plain(parseSafetensors(part).tensors.get('x')!.values)).toEqual([1]);
    }
  });

  test('the order of the tensors is that of their bytes', () => {
    const bytes = file(
      { b: entry('U8', [1], 1, 2), z: entry('U8', [0], 0, 0), a: entry('U8', [1], 0, 1) },
      [1, 2],
    );
    expect([...parseSafetensors(bytes).tensors.keys()]).toEqual(['z', 'a', 'b']);
  });
});

const u8 = (begin: number, end: number): object => entry('U8', [end - begin], begin, end);

const long = (value: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(value).buffer);
const lengthened = (length: bigint): Uint8Array => {
  const bytes = file('{}');
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
};

describe('what is refused', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /at least 8 bytes, got 0; is it truncated/],
    ['a cut length', new Uint8Array(7), /at least 8 bytes, got 7/],
    [
      'a cut header',
      file('{"a":1}').slice(0, 12),
      /header should take 7 bytes, but 4 follow; is it truncated/,
    ],
    ['a header beyond the file', lengthened(3n), /should take 3 bytes, but 2 follow/],
    [
      'a header beyond the limit',
      lengthened(100_000_001n),
      /at most 100000000 bytes, got 100000001/,
    ],
    [
      'a header beyond all limits',
      lengthened(2n ** 64n - 1n),
      /at most 100000000 bytes, got 18446744073709551615/,
    ],
    ['no header', lengthened(0n), /not valid JSON/],
    [
      'another format',
      new TextEncoder().encode('PK\u0003\u0004 a zip file'),
      /is it safetensors\?/,
    ],
    ['broken JSON', file('{"a": '), /not valid JSON .*is it safetensors/],
    ['nothing but text behind it', file('{} x'), /not valid JSON/],
    ['a list', file('[]'), /must be a JSON object/],
    ['null', file('null'), /must be a JSON object/],
    ['no UTF-8', file('{"\u00ff":1}').map((byte) => (byte === 0xc3 ? 0xff : byte)), /not UTF-8/],
    [
      'metadata that is no text',
      file('{"__metadata__":{"a":1}}'),
      /__metadata__ must be an object of strings/,
    ],
    ['metadata that is a list', file('{"__metadata__":[]}'), /__metadata__ must be/],
    [
      'an entry that is none',
      file('{"a":null}'),
      /tensor 'a': dtype must be a string, got nothing/,
    ],
    [
      'an unknown type',
      file({ a: entry('C64', [1], 0, 8) }, Array(8)),
      /tensor 'a': the type C64 is not supported/,
    ],
    [
      'a type of the prototype',
      file({ a: entry('toString', [1], 0, 8) }, Array(8)),
      /type toString is not/,
    ],
    [
      'a shape that is none',
      file({ a: entry('U8', 1, 0, 1) }, [1]),
      /'a': shape must be a list .* got 1/,
    ],
    ['a negative side', file({ a: entry('U8', [-1], 0, 1) }, [1]), /shape must be .* got \[-1\]/],
    [
      'a fractional side',
      file({ a: entry('U8', [1.5], 0, 1) }, [1]),
      /shape must be .* got \[1.5\]/,
    ],
    [
      'a negative offset',
      file({ a: entry('U8', [1], -1, 0) }, [1]),
      /data_offsets must be .* got \[-1,0\]/,
    ],
    [
      'one offset',
      file({ a: { dtype: 'U8', shape: [1], data_offsets: [0] } }, [1]),
      /must be two integers/,
    ],
    [
      'offsets in reverse',
      file({ a: entry('U8', [1], 1, 0) }, [1]),
      /takes 1 bytes, but data_offsets are \[1,0\]/,
    ],
    [
      'too few bytes',
      file({ a: entry('F32', [2, 2], 0, 12) }, Array(12)),
      /F32 of shape \[2,2\] takes 16 bytes/,
    ],
    [
      'too many bytes',
      file({ a: entry('F16', [], 0, 4) }, Array(4)),
      /F16 of shape \[\] takes 2 bytes/,
    ],
    [
      'an overflowing shape',
      file({ a: entry('U8', [2 ** 40, 2 ** 40], 0, 1) }, [1]),
      /takes 1\.2.*e\+24 bytes/,
    ],
    [
      'cut data',
      file({ a: u8(0, 1), b: u8(1, 4) }, [1, 2]),
      /'b': it ends at byte 4 of the data, which has 2; .*truncated/,
    ],
    [
      'an overlap',
      file({ a: u8(0, 2), b: u8(1, 3) }, [1, 2, 3]),
      /'b': it begins at byte 1 .* overlaps 'a'/,
    ],
    ['the same bytes twice', file({ a: u8(0, 2), b: u8(0, 2) }, [1, 2]), /'b': .* overlaps 'a'/],
    [
      'a gap',
      file({ a: u8(0, 1), b: u8(2, 3) }, [1, 2, 3]),
      /'b': 1 unused bytes lie between it and 'a'/,
    ],
    [
      'a gap at the start',
      file({ a: u8(1, 2) }, [1, 2]),
      /1 unused bytes lie between it and 'the header'/,
    ],
    ['a tail', file({ a: u8(0, 1) }, [1, 2, 3]), /2 bytes behind the last tensor belong to none/],
    [
      'a name twice',
      file(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        [1],
      ),
      /holds 'a' twice/,
    ],
    [
      'a name twice, once escaped',
      file('{"a\\"":{"dtype":"U8"}, "\\u0061\\"" : {}}'),
      /holds 'a"' twice/,
    ],
    [
      'a field twice',
      file('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
      /holds 'dtype' twice/,
    ],
    [
      'a truth of 2',
      file({ a: entry('BOOL', [2], 0, 2) }, [1, 2]),
      /'a' holds 2 at index 1, and a BOOL is 0 or 1/,
    ],
    [
      'int64 above int32',
      file({ a: entry('I64', [1], 0, 8) }, long(2n ** 31n)),
      /'a' holds 2147483648 at index 0, outside the range of int32/,
    ],
    [
      'int64 below int32',
      file({ a: entry('I64', [1], 0, 8) }, long(-(2n ** 31n) - 1n)),
      /holds -2147483649/,
    ],
    [
      'int64 far away',
      file({ a: entry('I64', [1], 0, 8) }, long(2n ** 62n)),
      /holds 4611686018427387904/,
    ],
    [
      'uint64 above int32',
      file({ a: entry('U64', [1], 0, 8) }, long(-1n)),
      /holds 18446744073709551615/,
    ],
    [
      'uint32 above int32',
      file({ a: entry('U32', [1], 0, 4) }, [0, 0, 0, 128]),
      /holds 2147483648 at index 0/,
    ],
    [
      'float64 above float32',
      file({ a: entry('F64', [1], 0, 8) }, new Uint8Array(Float64Array.of(1e300).buffer)),
      /holds 1e\+300 at index 0, outside the range of float32/,
    ],
  ])('%s', (_, bytes, message) => {
    const said = refusal(bytes);
    expect(said).toMatch(message);
    expect(said).toContain('some.safetensors');
  });

  test('names that look alike inside values are not names twice', () => {
    const json =
      '{"__metadata__":{"a":"a","b":"\\"a\\":"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
    expect(parseSafetensors(file(json, [1])).metadata).toEqual({ a: 'a', b: '"a":' });
  });

  test('every truncation of a file', async () => {
    const bytes = await fixture('writable.safetensors');
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseSafetensors(bytes.subarray(0, length)), `${length} bytes`).toThrow(
        InputError,
      );
    }
  });

  test('a damaged header is refused, or says something that fits', async () => {
    const bytes = new Uint8Array(await fixture('writable.safetensors'));
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(255), (at, byte) => {
        const damaged = bytes.slice();
        damaged[at] = byte;
        try {
          for (const { shape, values } of parseSafetensors(damaged).tensors.values()) {
            expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is written', () => {
  test('the bytes are those of the Python package', async () => {
    const bytes = await fixture('writable.safetensors');
    const { tensors, metadata } = parseSafetensors(bytes);
    const shuffled = Object.fromEntries([...tensors].toReversed());
    expect(Buffer.compare(await writeSafetensors(shuffled, { metadata }), bytes)).toBe(0);
    expect(Buffer.compare(await writeSafetensors({}), await fixture('none.safetensors'))).toBe(0);
  });

  test('what was written is read again, whatever the names and shapes', async () => {
    const shapes = fc.array(fc.nat(3), { maxLength: 4 });
    const name = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__metadata__');
    const tensor = fc.tuple(name, shapes, fc.constantFrom(Float32Array, Int32Array, Uint8Array));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(tensor, { selector: ([key]) => key }), async (list) => {
        const dict = Object.fromEntries(
          list.map(([key, shape, type], i) => {
            const length = shape.reduce((a, b) => a * b, 1);
            const bits = Array.from({ length }, (_, at) => (at + i) % 2);
            return [key, { shape, values: new type(bits) }];
          }),
        );
        const bytes = await writeSafetensors(dict);
        const { tensors } = parseSafetensors(bytes);
        expect(tensors.size).toBe(list.length);
        for (const [key, { shape, values }] of tensors) {
          expect({ shape, values }).toEqual(dict[key]);
          expect(values.buffer, 'aligned').toBe(bytes.buffer);
        }
      }),
      { numRuns: 50 },
    );
  });

  test.each<[string, StateDict, SafetensorsOptions | undefined, RegExp]>([
    [
      'a kept name',
      { __metadata__: { shape: [], values: Float32Array.of(1) } } as never,
      undefined,
      /'__metadata__' has the one name/,
    ],
    [
      'a shape that does not fit',
      { a: { shape: [2], values: Float32Array.of(1) } } as never,
      undefined,
      /'a' holds 1 values, and its shape is \[2\]/,
    ],
    [
      'metadata that is no text',
      {},
      { metadata: { epoch: 1 as never } },
      /metadata must be strings, got 1 for 'epoch'/,
    ],
  ])('%s is refused', async (_, dict, options, message) => {
    await expect(writeSafetensors(dict, options)).rejects.toThrow(message);
    await expect(writeSafetensors(dict, options)).rejects.toThrow(InputError);
  });
});

const tensors = (): Record<string, tf.Tensor> => ({
  pending: tf.add(tf.tensor2d([[1, 2, 3]]), 1),
  whole: tf.tensor1d([1, -2], 'int32'),
  mask: tf.tensor1d([true, false], 'bool'),
  scalar: tf.scalar(0.5),
  empty: tf.zeros([0, 4]),
});
const valuesOf = async (dict: Record<string, tf.Tensor>): Promise<object> =>
  Object.fromEntries(
    await Promise.all(
      Object.entries(dict).map(async ([name, tensor]) => {
        const { dtype, shape } = tensor;
        return [name, { dtype, shape, values: Array.from(await tensor.data()) }];
      }),
    ),
  );

describeBackends('tensors', () => {
  test('survive a file, bytes, a Blob and a URL', async () => {
    const dict = tf.tidy(tensors);
    const path = join(folder, 'new folder', 'model.safetensors');
    await writeSafetensors(path, dict, { metadata: { format: 'pt' } });
    const bytes = await writeSafetensors(dict, { metadata: { format: 'pt' } });
    expect(Buffer.compare(bytes, await readFile(path))).toBe(0);
    const buffer = bytes.buffer.slice(0) as ArrayBuffer;
    for (const source of [path, pathToFileURL(path), bytes, buffer, new Blob([buffer])]) {
      const read = await readSafetensors(source);
      expect(await valuesOf(read)).toEqual(await valuesOf(dict));
      tf.dispose(read);
    }
    tf.dispose(dict);
  });

  test('variables are written, and what cannot be is named', async () => {
    const variable = tf.tidy(() => tf.variable(tf.scalar(2), true, 'weights-test'));
    const { tensors: read } = parseSafetensors(await writeSafetensors({ variable }));
    expect(plain(read.get('variable')!.values)).toEqual([2]);
    variable.dispose();
    await expect(writeSafetensors({ variable })).rejects.toThrow(/tensor 'variable' is disposed/);
    const words = tf.tensor1d(['a']);
    await expect(writeSafetensors({ words })).rejects.toThrow(
      /'words' must be float32, int32 or bool, got string/,
    );
    words.dispose();
  });

  test('a name of the prototype is a name', async () => {
    const read = await readSafetensors(await fixture('writable.safetensors'));
    expect(Object.keys(read)).toContain('__proto__');
    expect(Object.keys(read).length).toBe(15);
    for (const tensor of Object.values(read)) tensor.dispose();
  });
});

describe('files', () => {
  test('errors name the file', async () => {
    const path = join(folder, 'cut.safetensors');
    await writeFile(path, (await fixture('dtypes.safetensors')).subarray(0, -1));
    await expect(readSafetensors(path)).rejects.toThrow(new RegExp(`${path}: tensor '.*truncated`));
    await expect(readSafetensors(join(folder, 'absent'))).rejects.toThrow(
      /there is no file .*absent/,
    );
    await expect(readSafetensors(folder)).rejects.toThrow(/must be a file, got a folder/);
  });

  test('what fails to be written leaves what was there, and nothing else', async () => {
    const own = await mkdtemp(join(folder, 'own-'));
    const path = join(own, 'a.safetensors');
    await writeSafetensors(path, { a: { shape: [], values: Float32Array.of(1) } });
    const before = await readFile(path);
    const broken = { shape: [1], dtype: 'float32', data: () => Promise.reject(new Error('lost')) };
    await expect(writeSafetensors(path, { broken: broken as never })).rejects.toThrow('lost');
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
    expect(await readdir(own)).toEqual(['a.safetensors']);
  });
});
