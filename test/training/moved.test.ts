import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { backends, describeBackends } from '../backends.js';
import { compared, left, travel } from './moved.js';
import type { Losses } from './moved.js';

const folder = await mkdtemp(join(tmpdir(), 'moved-'));
afterAll(() => rm(folder, { recursive: true }));

/** What staying would have given, by backend. */
const stayed: Partial<Record<string, Losses>> = {};

describeBackends('a run that is left', (backend) => {
  test('goes on where it began', async () => {
    const begun = join(folder, backend);
    await travel({ backend, outputDir: begun, until: left });
    const outputDir = join(folder, `${backend}-stayed`);
    await cp(begun, outputDir, { recursive: true });
    stayed[backend] = await travel({ backend, outputDir, until: left + compared });
    const steps = Array.from({ length: compared }, (_, i) => String(left + 1 + i));
    expect(Object.keys(stayed[backend])).toEqual(steps);
  });
});

describe.each(backends)('a checkpoint of %s', (from) => {
  test.each(backends.filter((to) => to !== from))(
    'continues on %s: the losses are those of staying, within 1e-3',
    async (to) => {
      const outputDir = join(folder, `${from}-${to}`);
      await cp(join(folder, from), outputDir, { recursive: true });
      const moved = await travel({ backend: to, outputDir, until: left + compared });
      const there = Object.entries(stayed[from]!);
      expect(there).toHaveLength(compared);
      for (const [step, loss] of there)
        expect(Math.abs(moved[Number(step)]! - loss), `step ${step}`).toBeLessThan(1e-3);
    },
  );
});
