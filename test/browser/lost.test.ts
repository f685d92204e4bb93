import { expect, test } from 'vitest';
import { describePage } from './chromium.js';
import type { AcrossLoss, Ran } from './pages/lost.js';
import { waysBut } from './ways.js';

/** What is told of a backend whose card was taken away. */
function lossOf(name: string, why: RegExp): RegExp {
  const [says, remedy] = [
    'the browser took it away',
    'go on from the last checkpoint with resume: true',
  ];
  return new RegExp(`^${name}: .* ${says} \\(${why.source}\\); .* ${remedy}$`);
}

interface Started {
  readonly used: string;
  readonly said: readonly string[];
}

describePage('lost', 'what a browser takes away, or does not give', (page) => {
  const train = (...given: unknown[]) => page().call<Ran>('train', ...given);
  /** Milliseconds: the first steps compile each shader for the processor. */
  const patience = 3_600_000;
  const says: Readonly<Record<string, RegExp>> = {
    webgpu: lossOf('webgpu', /destroyed: .*/),
    webgl: lossOf('webgl', /its WebGL context is lost/),
  };

  test.each(Object.keys(says))(
    'the card is lost under %s: whatever is read says so, and it begins anew',
    async (card) => {
      await page().load();
      const { pending, kept, made, anew } = await page().call<AcrossLoss>('acrossLoss', card);
      expect(pending).toMatch(says[card]!);
      expect(kept).toMatch(says[card]!);
      expect(made).toMatch(says[card]!);
      expect(anew).toBe('read 60');
    },
  );

  const cards = waysBut("TensorFlow.js's shaders, float32 textures")
    .map(([name]) => name)
    .filter((name) => name in says);
  test.each(cards)(
    'in the middle of a run on %s it says so, and goes on from its checkpoint there and elsewhere',
    async (card) => {
      await page().load();
      const outputDir = `runs/${card}`;
      const whole = await train('cpu', 'runs/whole', { overwrite: true });
      const lost = await train(card, outputDir, { loseAt: 3 });
      expect(lost.ended).toMatch(says[card]!);
      const again = await train(card, outputDir, { resume: true, loseAt: 5 });
      expect(again.ended).toMatch(says[card]!);
      expect(Object.keys(again.losses)).toEqual(['3', '4', '5']); // from the checkpoint behind step 2
      const elsewhere = await train('cpu', outputDir, { resume: true });
      expect(elsewhere.ended).toBe('done');
      expect(Object.keys(elsewhere.losses)).toEqual(['5', '6']);
      for (const { losses } of [lost, again, elsewhere])
        for (const [step, loss] of Object.entries(losses))
          expect(Math.abs(loss - whole.losses[Number(step)]!), `step ${step}`).toBeLessThan(1e-3);
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
