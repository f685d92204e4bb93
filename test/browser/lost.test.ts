import { expect, test } from 'vitest';
import { describePage } from './chromium.js';
import type { Ran } from './pages/lost.js';

interface Started {
  readonly used: string;
  readonly said: readonly string[];
}

describePage('lost', 'what a browser takes away, or does not give', (page) => {
  const train = (...given: unknown[]) => page().call<Ran>('train', ...given);
  /** Milliseconds: the first steps compile each shader for the processor. */
  const patience = 600_000;

  test(
    'the card is lost in the middle of a run: it says so, and goes on from its checkpoint on any backend',
    async () => {
      const whole = await train('webgpu', 'runs/whole');
      expect(whole.ended).toBe('done');
      for (const backend of ['webgpu', 'cpu']) {
        const lost = await train('webgpu', `runs/${backend}`, { loseAt: 3 });
        expect(lost.ended).toMatch(
          /^webgpu: .* the browser took it away \(destroyed: .*\); .* go on from the last checkpoint with resume: true$/,
        );
        const resumed = await train(backend, `runs/${backend}`, { resume: true });
        expect(resumed.ended).toBe('done');
        expect(Object.keys(resumed.losses)).toEqual(['3', '4', '5', '6']); // from the checkpoint behind step 2
        for (const [step, loss] of Object.entries(resumed.losses))
          expect(Math.abs(loss - whole.losses[Number(step)]!), `step ${step}`).toBeLessThan(1e-3);
      }
    },
    patience,
  );

  test('a backend that does not start says why, and what to do', async () => {
    await page().load();
    const start = async (name: string, options?: object) =>
      (await page().call<Started>('start', name, options)).used;
    expect((await page().call<Started>('withoutCard', 'webgpu')).used).toBe(
      "useBackend: the backend webgpu is not available here (WebGPU finds no graphics card); choose another, or choose 'auto'",
    );
    expect(await start('onnxruntime', { wasmPaths: '/nowhere/' })).toMatch(
      /^onnxruntime: .*nowhere/,
    );
    expect(await start('tensorflow')).toMatch(/TensorFlow's native library/);
    expect(await start('webgpu')).toBe('webgpu'); // what failed before is no obstacle
  });

  test('auto goes on to the next one, and says what did not start', async () => {
    await page().load();
    const { used, said } = await page().call<Started>('start', 'auto', { wasmPaths: '/nowhere/' });
    expect(used).toBe('cpu');
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      /^useBackend: onnxruntime did not start \(.*nowhere.*\); wasm did not start \(.*\); computing on cpu instead$/,
    );
  });
});
