import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gate, prefetch } from '../../src/datasets/prefetch.js';

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeEach(() => void process.on('unhandledRejection', note));
afterEach(async () => {
  await wait(5);
  process.off('unhandledRejection', note);
  expect(unhandled.splice(0)).toEqual([]);
});

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

describe('prefetch', () => {
  it.each([0, 1, 2, 50])(
    'yields in order whatever takes how long, with %i ahead',
    async (ahead) => {
      const make = async (i: number) => wait((i * 7) % 5, i);
      expect(await collect(prefetch(20, make, { ahead }))).toEqual(
        Array.from({ length: 20 }, (_, i) => i),
      );
    },
  );

  it('keeps as many under way as it is told, and no more', async () => {
    const started: number[] = [];
    const make = async (i: number) => (started.push(i), i);
    const values = prefetch(10, make, { ahead: 2 });
    expect(started).toEqual([]);
    for (let i = 0; i < 10; i++) {
      await values.next();
      await wait(1);
      expect(started).toHaveLength(Math.min(10, i + 3));
    }
    expect((await values.next()).done).toBe(true);
  });

  it('throws an error in the place of its value', async () => {
    const seen: number[] = [];
    const make = async (i: number) => {
      if (i >= 3) throw new Error(`no ${i}`);
      return wait(10 - i, i);
    };
    const all = (async () => {
      for await (const value of prefetch(6, make, { ahead: 5 })) seen.push(value);
    })();
    await expect(all).rejects.toThrow('no 3');
    expect(seen).toEqual([0, 1, 2]);
  });

  it('throws what is thrown at once in the place of its value, too', async () => {
    const make = (i: number): Promise<number> => {
      if (i === 2) throw new Error('at once');
      return Promise.resolve(i);
    };
    const values = prefetch(4, make, { ahead: 3 });
    expect((await values.next()).value).toBe(0);
    expect((await values.next()).value).toBe(1);
    await expect(values.next()).rejects.toThrow('at once');
  });

  it('stops and waits for what is under way when its user leaves', async () => {
    let running = 0;
    const make = async (i: number, signal: AbortSignal) => {
      running++;
      await wait(1 + 5 * i);
      running--;
      signal.throwIfAborted();
      return i;
    };
    for await (const value of prefetch(100, make, { ahead: 3 })) {
      expect(value).toBe(0);
      expect(running).toBeGreaterThan(0);
      break;
    }
    expect(running).toBe(0);
  });

  it('throws the reason of its signal', async () => {
    const controller = new AbortController();
    const values = prefetch(10, async (i) => i, { signal: controller.signal });
    await values.next();
    controller.abort(new Error('enough'));
    await expect(values.next()).rejects.toThrow('enough');
    expect((await values.next()).done).toBe(true);
    await expect(
      prefetch(10, async (i) => i, { signal: controller.signal }).next(),
    ).rejects.toThrow('enough');
  });

  it('tells what is under way of the signal', async () => {
    const controller = new AbortController();
    const make = (_: number, signal: AbortSignal) =>
      new Promise<number>((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    const next = prefetch(10, make, { signal: controller.signal }).next();
    setTimeout(() => controller.abort(new Error('enough')), 5);
    await expect(next).rejects.toThrow('enough');
  });
});

describe('Gate', () => {
  it('lets so many run at once, errors included', async () => {
    const gate = new Gate(3);
    let running = 0;
    let most = 0;
    const task = async (i: number) => {
      most = Math.max(most, ++running);
      await wait(i % 4);
      running--;
      if (i % 5 === 0) throw new Error('fifth');
      return i;
    };
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => gate.run(() => task(i))),
    );
    expect(most).toBe(3);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(6);
  });
});
