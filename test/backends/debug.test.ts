import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { debugLevel, debugObserver } from '../../src/backends/onnxruntime/debug.js';
import { setDebug } from '../../src/onnxruntime.js';
import type { DebugLevel } from '../../src/onnxruntime.js';

beforeAll(async () => {
  await tf.setBackend('onnxruntime');
});
afterEach(() => setDebug(0));

/** Computes a program of two operators on vectors of this length, and reads its result. */
async function compute(length: number): Promise<void> {
  const x = tf.ones([length]);
  const y = tf.tidy(() => tf.neg(tf.mul(x, x)));
  await y.data();
  tf.dispose([x, y]);
}

/** What is said of a piece of work, without what differs from run to run. */
async function said(level: DebugLevel, work: () => Promise<void>): Promise<string[]> {
  const texts: string[] = [];
  setDebug(level, { print: (text) => texts.push(text) });
  await work();
  return texts.map((text) =>
    text.replaceAll(/\d+(\.\d+)? ms/g, '# ms').replaceAll(/\b[0-9a-f]{8}\b/g, 'HASH'),
  );
}

describe('setDebug', () => {
  test('at level 0 says nothing', async () => {
    expect(await said(0, () => compute(3))).toEqual([]);
  });

  test('at level 1 says a line for each run, compiled or found', async () => {
    const texts = await said(1, async () => {
      await compute(1000);
      await compute(1000);
    });
    const size = '2 nodes, 1 in (4.00 kB), 1 out (4.00 kB), # ms';
    expect(texts).toEqual([
      `onnxruntime: read 1: program HASH compiled in # ms, ${size}`,
      `onnxruntime: read 2: program HASH in cache, ${size}`,
    ]);
  });

  test('tells programs apart by their fingerprint', async () => {
    const texts: string[] = [];
    setDebug(1, { print: (text) => texts.push(text) });
    for (const length of [11, 12, 11]) await compute(length);
    const [first, second, third] = texts.map((text) => /program (\w+)/.exec(text)![1]);
    expect(first).not.toBe(second);
    expect(third).toBe(first);
  });

  test('counts work on the host', async () => {
    const texts = await said(1, async () => {
      const sums = tf.tidy(() => {
        const ids = tf.tensor1d([0, 1, 0], 'int32');
        return tf.unsortedSegmentSum(tf.square(tf.ones([3, 2])), ids, 2);
      });
      await sums.data();
      sums.dispose();
    });
    expect(texts.at(-1)).toBe('onnxruntime: read 1: on the host UnsortedSegmentSum x 1, # ms');
  });

  test('at level 2 says the time by operator, once, and removes the file of the profile', async () => {
    const files = () =>
      readdirSync(tmpdir()).filter((name) => name.startsWith('bertresnet-profile'));
    const before = files();
    const texts = await said(2, async () => {
      await compute(501);
      await compute(501);
    });
    expect(texts).toHaveLength(3);
    expect(texts[1]).toMatch(/^onnxruntime: program HASH by operator, # ms a run:\n {2}operator /);
    expect(texts[1]).toMatch(/\n {2}Mul +1 +\d+\.\d{3} +\d+\.\d\n/);
    expect(texts[1]).toMatch(/\n {2}Neg .* v1: float\[501\] -> float\[501\]/);
    expect(files()).toEqual(before);
  });

  test('at level 3 prints the program before it is compiled', async () => {
    const texts = await said(3, () => compute(17));
    expect(texts[0]).toBe(
      [
        'onnxruntime: program HASH:',
        '  input  i0: float32[17]',
        '  v0: float32[17] = Mul(i0, i0)',
        '  v1: float32[17] = Neg(v0)',
        '  return v1',
      ].join('\n'),
    );
    expect(texts[1]).toMatch(/ compiled in /);
    expect(texts[2]).toMatch(/ by operator, /);
  });

  test('writes to console.error where nothing else is asked for', async () => {
    const error = vi.spyOn(console, 'error').mockReturnValue(undefined);
    setDebug(1);
    await compute(19);
    expect(error).toHaveBeenCalledTimes(1);
    error.mockRestore();
  });

  test('refuses other levels', () => {
    expect(() => setDebug(4 as DebugLevel)).toThrow(
      /^onnxruntime: the level of setDebug must be 0, 1, 2 or 3, got 4$/,
    );
    expect(() => debugLevel('yes', 'BERTRESNET_DEBUG')).toThrow(
      /^BERTRESNET_DEBUG must be .* yes$/,
    );
    expect(() => debugLevel('', 'BERTRESNET_DEBUG')).toThrow(/must be/);
    expect(debugLevel('2', 'BERTRESNET_DEBUG')).toBe(2);
  });

  test('a profile that fails, or is not to be had, stops nothing', () => {
    const texts: string[] = [];
    const observer = debugObserver(2, { print: (text) => texts.push(text) })!;
    const run = {
      program: { inputs: [], constants: [], nodes: [], outputs: [] },
      compileTime: undefined,
      runTime: 1,
      bytesIn: 0,
      bytesOut: 0,
    };
    observer.onRun!({ ...run, fingerprint: 'a', profile: () => undefined });
    expect(texts[1]).toMatch(/times by operator need onnxruntime-node/);
    const profile = () => {
      throw new Error('disk full');
    };
    observer.onRun!({ ...run, fingerprint: 'b', profile });
    expect(texts[3]).toMatch(/could not be profiled: disk full/);
  });
});
