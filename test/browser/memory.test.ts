import { expect, test } from 'vitest';
import { describePage } from './chromium.js';
import type { Counts } from './pages/memory.js';
import { waysBut } from './ways.js';

const steps = 500;
/** Until then shapes are met for the first time, code is compiled, and pools are filled. */
const warm = 100;

/** Of JavaScript's heap: what engines keep for themselves comes and goes, but a tensor's record a step would be more. */
const heapSlack = 1.5e6; // bytes

/** A card in software takes a second for a step. */
const tested = waysBut(
  "TensorFlow.js's shaders, float32 textures",
  "TensorFlow.js's shaders and this library's",
  'onnxruntime-web, its WebGPU provider',
);
const patience = 3_600_000; // milliseconds

describePage('memory', `${steps} training steps of a whole model keep nothing`, (page) => {
  test.each(tested)(
    'on %s %o: no tensor, no buffer, no heap',
    async (backend, options) => {
      await page().load();
      await page().call('begin', backend, options, steps);
      const first = await page().call<Counts>('trainTo', warm);
      const heapThen = await page().heapBytes();
      expect(await page().call<Counts>('trainTo', steps)).toEqual(first);
      const growth = (await page().heapBytes()) - heapThen;
      console.log(`${backend}: ${JSON.stringify(first)}, heap ${heapThen}, growth ${growth}`);
      expect(growth, 'bytes of heap').toBeLessThan(heapSlack);
      expect((await page().call<Counts>('finish'))['tensors']).toBe(0);
    },
    patience,
  );
});
