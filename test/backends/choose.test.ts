import { afterEach, describe, expect, test, vi } from 'vitest';
import { chooseBackend, failureAdvice } from '../../src/backends/choose.js';
import type { BackendChoice } from '../../src/backends/choose.js';
import { preferences as ofBrowsers } from '../../src/backends/preference.browser.js';
import { preferences as ofNode } from '../../src/backends/preference.node.js';
import type { BackendName, BackendNeeds, Preference } from '../../src/backends/preference.js';
import { BackendUnavailableError } from '../../src/backends/unavailable.js';

/** A machine: what is installed, whether it has an NVIDIA card, what does not start. */
interface Machine {
  readonly installed?: readonly string[];
  readonly card?: boolean;
  readonly broken?: readonly BackendName[];
}

const world = vi.hoisted(() => ({
  installed: [] as readonly string[],
  card: false,
  /** The backend in use. */
  backend: {} as object,
}));

vi.mock('../../src/backends/installed.node.js', () => ({
  isInstalled: (name: string) => world.installed.includes(name),
}));
vi.mock('node:fs', async (original) => ({
  ...(await original<object>()),
  existsSync: () => world.card,
}));
vi.mock('@tensorflow/tfjs-core', async (original) => ({
  ...(await original<object>()),
  backend: () => world.backend,
}));

const wasm = '@tensorflow/tfjs-backend-wasm';
const large = { parameters: 300e6 };

/** What `auto` comes to on a machine. */
function choose(
  { installed = [], card = false, broken = [] }: Machine,
  needs: BackendNeeds = {},
  among: readonly Preference[] = ofNode,
): Promise<BackendChoice> {
  world.installed = installed;
  world.card = card;
  const use = async (name: BackendName): Promise<BackendName> => {
    if (broken.includes(name)) throw new BackendUnavailableError(name, 'it is broken', 'mend it');
    const isUsingGpuDevice = card && installed.includes('@tensorflow/tfjs-node-gpu');
    const native = installed.includes('onnxruntime-node') && 'onnxruntime-node';
    world.backend = { isUsingGpuDevice, executor: { runtimeName: native || 'onnxruntime-web' } };
    return name;
  };
  return chooseBackend(use, needs, among);
}

const names = ({ passedOver }: BackendChoice): string[] => passedOver.map(({ name }) => name);

afterEach(() => vi.unstubAllEnvs());

describe('what auto takes in Node', () => {
  const everything = ['onnxruntime-node', '@tensorflow/tfjs-node', wasm];
  test.each<[string, Machine, BackendNeeds, BackendName, RegExp]>([
    ['all but a card', { installed: everything }, {}, 'onnxruntime', /native ONNX Runtime/],
    ['that, for a large model', { installed: everything }, large, 'onnxruntime', /native ONNX/],
    [
      'a card and its package',
      { installed: [...everything, '@tensorflow/tfjs-node-gpu'], card: true },
      {},
      'tensorflow',
      /graphics card/,
    ],
    [
      'its package without a card',
      { installed: [...everything, '@tensorflow/tfjs-node-gpu'] },
      {},
      'onnxruntime',
      /native/,
    ],
    [
      'no native ONNX Runtime',
      { installed: ['@tensorflow/tfjs-node', wasm] },
      {},
      'tensorflow',
      /TensorFlow's native library/,
    ],
    ['no native package', { installed: [wasm] }, {}, 'onnxruntime', /WebAssembly/],
    ['no native package, and a large model', { installed: [wasm] }, large, 'cpu', /plain/],
    [
      'a large model that only answers',
      { installed: [wasm] },
      { ...large, training: false },
      'onnxruntime',
      /WebAssembly/,
    ],
    [
      'an engine that is broken',
      { installed: everything, broken: ['onnxruntime'] },
      {},
      'tensorflow',
      /native/,
    ],
    [
      'two that are broken',
      { installed: everything, broken: ['onnxruntime', 'tensorflow'] },
      {},
      'wasm',
      /WebAssembly kernels/,
    ],
    ['nothing but the engine, broken', { broken: ['onnxruntime'] }, {}, 'cpu', /plain JavaScript/],
  ])('%s', async (_, machine, needs, name, why) => {
    const choice = await choose(machine, needs);
    expect(choice.name).toBe(name);
    expect(choice.why).toMatch(why);
    for (const { why: against } of choice.passedOver) expect(against).not.toBe('');
  });

  test('what is passed over, and why, the best first', async () => {
    const choice = await choose({ installed: [wasm] }, large);
    expect(choice.passedOver).toEqual([
      { name: 'tensorflow', why: '@tensorflow/tfjs-node-gpu is not installed', failed: false },
      { name: 'onnxruntime', why: 'onnxruntime-node is not installed', failed: false },
      { name: 'tensorflow', why: '@tensorflow/tfjs-node is not installed', failed: false },
      ...(['onnxruntime', 'wasm'] as const).map((name) => ({
        name,
        why: 'training 300000000 parameters takes 4.5 GiB, and WebAssembly has 4',
        failed: false,
      })),
    ]);
  });

  test('a native package that is there and does not load does not pass for native', async () => {
    world.installed = ['onnxruntime-node'];
    world.card = false;
    const use = async (name: BackendName): Promise<BackendName> => {
      world.backend = { executor: { runtimeName: 'onnxruntime-web' } };
      return name;
    };
    const choice = await chooseBackend(use, {}, ofNode);
    expect(choice.why).toMatch(/WebAssembly/);
    expect(choice.passedOver[1]!.why).toBe('onnxruntime-node is installed, and does not load');
  });

  test('WebAssembly, where the environment asks for it', async () => {
    vi.stubEnv('BERTRESNET_ONNXRUNTIME', 'wasm');
    const choice = await choose({ installed: ['onnxruntime-node'] });
    expect(choice.why).toMatch(/as WebAssembly/);
  });

  test('what would be faster is said where this machine could run it, and only there', async () => {
    expect((await choose({ installed: everything })).faster).toEqual([]);
    const [gpu] = (await choose({ installed: everything, card: true })).faster;
    expect(gpu).toMatch(/npm install @tensorflow\/tfjs-node-gpu.*executionProvider: 'cuda'/);
    const without = await choose({ installed: [] });
    expect(without.faster).toEqual(['ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node']);
  });
});

describe('what auto takes in a browser', () => {
  test('the engine, and plain JavaScript behind everything else', async () => {
    expect((await choose({}, {}, ofBrowsers)).name).toBe('onnxruntime');
    const choice = await choose(
      { broken: ['onnxruntime', 'wasm', 'webgpu', 'webgl'] },
      {},
      ofBrowsers,
    );
    expect(choice.name).toBe('cpu');
    expect(names(choice)).toContain('onnxruntime');
  });
});

describe('a backend that does not start', () => {
  test('is told of, with its reason and what computes instead', async () => {
    const choice = await choose({ installed: [wasm], broken: ['onnxruntime'] });
    expect(failureAdvice(choice)).toBe(
      'useBackend: onnxruntime did not start (it is broken); computing on wasm instead',
    );
  });

  test('is not told of where it is only not installed', async () => {
    expect(failureAdvice(await choose({ installed: [wasm] }))).toBeUndefined();
  });

  test('is an error where there is no other, with the reason for each', async () => {
    const broken = ['onnxruntime', 'cpu', 'wasm'] as const;
    await expect(choose({ installed: [], broken })).rejects.toThrow(
      /^useBackend: no backend can run here: tensorflow: .* is not installed; .*cpu: it is broken$/,
    );
  });

  test('any other error is the caller’s to see', async () => {
    const use = () => Promise.reject(new Error('threads cannot change'));
    await expect(chooseBackend(use, {}, [{ name: 'cpu', why: '' }])).rejects.toThrow(
      'threads cannot change',
    );
  });
});
