import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import * as stepTime from '../../src/cli/stepTime.js';
import { smallStep } from '../../src/cli/stepTime.js';
import { backends, describeBackends } from '../backends.js';
import { bertresnet } from './workspace.js';

vi.mock('../../src/cli/stepTime.js', { spy: true });

interface Diagnosis {
  readonly machine: Readonly<Record<string, unknown>>;
  readonly backends: readonly Readonly<Record<string, unknown>>[];
  readonly auto: { readonly name: string; readonly why: string };
}

describe('bertresnet doctor', () => {
  it('times a step on every backend that is present, and says what brings the others', async () => {
    const { code, stdout, stderr } = await bertresnet(['doctor', '--json', '--steps', '1']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as Diagnosis;
    expect(Object.keys(found.machine)).toEqual([
      'system',
      'processor',
      'cores',
      'memoryGiB',
      'node',
      'bertresnet',
    ]);
    expect(found.machine['node']).toBe(process.version);
    const inOrder = ['onnxruntime', 'tensorflow', 'wasm', 'cpu'] as const;
    expect(found.backends.map(({ name }) => name)).toEqual(inOrder);
    for (const one of found.backends) {
      const isPresent = backends.some((name) => name === one['name']);
      expect(one['present'], String(one['problem'])).toBe(isPresent);
      if (isPresent) {
        expect(one['steps']).toBe(1);
        expect(one['firstStepMs']).toBeGreaterThan(0);
        expect(one['stepMs']).toBeGreaterThan(0);
      } else {
        expect(one['problem']).toBe(
          'no package of it is installed; npm install @tensorflow/tfjs-node',
        );
      }
    }
    expect(found.auto.name).toBe('onnxruntime');
    expect(stderr.split('\n')).toEqual(inOrder.map((name) => `${name} ...`));
  });

  it('prints it for people', async () => {
    const times = { first: 1234.4, step: 8.25, timed: 10, loss: 1 };
    vi.mocked(stepTime.timeSteps).mockResolvedValue(times);
    const { stdout } = await bertresnet(['doctor']);
    vi.mocked(stepTime.timeSteps).mockRestore();
    expect(stdout).toMatch(/^bertresnet \S+, Node v\S+, \w+ \w+ /);
    expect(stdout).toMatch(/\n.+, \d+ cores?, [\d.]+ GiB of memory\n/);
    expect(stdout).toContain('4 rows, 16 tokens, 32 x 32 pixels');
    expect(stdout).toMatch(/\n {2}backend +first step, ms +median of later, ms +of\n/);
    for (const name of backends)
      expect(stdout).toMatch(new RegExp(`\\n  ${name} +1 234 +8\\.3 +10\\n`));
    expect(stdout).toMatch(
      /\n'auto' takes onnxruntime: compiled programs on the native ONNX Runtime\n/,
    );
    expect(stdout).toMatch(/\n {2}not tensorflow: @tensorflow\/tfjs-node-gpu is not installed\n/);
    expect(stdout).not.toMatch(/undefined|NaN|null/);
  });

  it('goes on where a backend fails in the middle of a step', async () => {
    vi.mocked(stepTime.timeSteps).mockRejectedValueOnce(new Error('out of memory'));
    vi.mocked(stepTime.timeSteps).mockResolvedValue({ first: 2, step: 1, timed: 3, loss: 1 });
    const { code, stdout } = await bertresnet(['doctor']);
    vi.mocked(stepTime.timeSteps).mockRestore();
    expect(code).toBe(0);
    expect(stdout).toMatch(/Not present:\n {2}onnxruntime: out of memory\n/);
    expect(stdout).toMatch(/\n {2}cpu +2\.0 +1\.0 +3\n/);
  });

  it('ends where it is interrupted while a backend is timed', async () => {
    const abort = new AbortController();
    const timed = vi.mocked(stepTime.timeSteps).mockClear();
    const ended = bertresnet(['doctor', '--steps', '100000'], {
      signal: abort.signal,
      heard: (line) => void (line === 'onnxruntime ...' && setTimeout(() => abort.abort(), 100)),
    });
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stdout).toBe('');
    expect(stderr).toBe('onnxruntime ...\nbertresnet: interrupted');
    await expect(timed.mock.results[0]!.value).rejects.toBe(abort.signal.reason);
  });
});

const losses: number[] = [];
describeBackends('the step that the doctor times', (backend) => {
  it('is the same training everywhere, and ends when its time is over', async () => {
    const { loss, timed } = await stepTime.timeSteps(smallStep, { steps: 5, milliseconds: 0 });
    expect(timed).toBe(1);
    losses.push(loss);
    expect(Math.abs(loss - losses[0]!), backend).toBeLessThan(1e-3);
    expect(loss).toBeGreaterThan(0.1);
  });

  it('ends at the step under way where it is aborted, and leaves nothing behind', async () => {
    const abort = new AbortController();
    const before = tf.memory().numTensors;
    setTimeout(() => abort.abort(new Error('enough')));
    const timing = stepTime.timeSteps(smallStep, { steps: Infinity, signal: abort.signal });
    await expect(timing).rejects.toThrow('enough');
    expect(tf.memory().numTensors).toBe(before);
  });
});
