import { rmSync, writeFileSync } from 'node:fs';
import { cp, mkdir, readFile, rename } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isInterruption, onInterrupt } from '../../src/cli/interrupt.js';
import { Trainer } from '../../src/index.js';
import { bertresnet, makeWorkspace, trainWords } from './workspace.js';
import type { Workspace } from './workspace.js';

let workspace: Workspace;
const path = (...names: string[]): string => workspace.path(...names);

beforeAll(async () => {
  workspace = await makeWorkspace();
});
afterAll(() => workspace.remove());

describe('onInterrupt', () => {
  function source() {
    const listeners: (() => void)[] = [];
    const codes: number[] = [];
    const said: string[] = [];
    const signal = onInterrupt(
      { on: (_, listener) => listeners.push(listener), exit: (code) => codes.push(code) },
      { out: () => undefined, say: (line) => said.push(line), interactive: false },
    );
    return { signal, press: () => listeners[0]!(), codes, said };
  }

  it('aborts at the first Ctrl-C, leaves at the second', () => {
    const { signal, press, codes, said } = source();
    expect(signal.aborted).toBe(false);
    press();
    expect(signal.aborted).toBe(true);
    expect(said).toHaveLength(1);
    expect(codes).toEqual([]);
    press();
    expect(codes).toEqual([130]);
  });
});

describe('isInterruption', () => {
  it('knows what a signal was heeded with from what went wrong meanwhile', () => {
    const controller = new AbortController();
    const aborted = new DOMException('stopped', 'AbortError');
    expect(isInterruption(aborted, controller.signal)).toBe(false);
    controller.abort(new Error('enough'));
    const { signal } = controller;
    expect(isInterruption(signal.reason, signal)).toBe(true);
    expect(isInterruption(aborted, signal)).toBe(true);
    expect(isInterruption(new Error('no space left'), signal)).toBe(false);
  });
});

describe('a run that is interrupted', () => {
  it('says what went wrong where it could not be left resumable', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const { fit } = Trainer.prototype;
    const fitting = vi.spyOn(Trainer.prototype, 'fit').mockImplementation(function (
      this: Trainer,
      train,
      options,
    ) {
      const onStep = (): void => {
        if (signal.aborted) return;
        controller.abort();
        // A file in the way of the folder: the checkpoint of the interruption cannot be written.
        rmSync(path('blocked', 'checkpoint'), { recursive: true });
        writeFileSync(path('blocked', 'checkpoint'), '');
      };
      return fit.call(this, train, { ...options, onStep });
    });
    const { code, stderr } = await bertresnet(trainWords(workspace, 'blocked', 3), { signal });
    fitting.mockRestore();
    expect(stderr).toContain('it must be a folder, and a file is there');
    expect(stderr).not.toMatch(/To go on|interrupted/);
    expect(code).toBe(2);
  });

  it('says how to go on, and goes on as if it had never stopped', async () => {
    const whole = await bertresnet(trainWords(workspace, 'whole', 3));
    expect(whole.code).toBe(0);
    const stopped = await interrupted(trainWords(workspace, 'stopped', 3), 'epoch 2: loss');
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toBe('');
    expect(stopped.stderr).toContain(`To go on: bertresnet train --resume ${path('stopped')}`);
    const resumed = await bertresnet(['train', '--resume', path('stopped')]);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toContain('going on after step');
    expect(await figures('stopped')).toEqual(await figures('whole'));
    expect(await weights('stopped')).toEqual(await weights('whole'));
  });

  it('goes on where its folder was moved to, with the rows named again', async () => {
    await interrupted(trainWords(workspace, 'early', 3), 'epoch 1: loss');
    await mkdir(path('far', 'away'), { recursive: true });
    await rename(path('early'), path('far', 'away', 'run'));
    const lost = await bertresnet(['train', '--resume', path('far', 'away', 'run')]);
    expect(lost.code).toBe(2);
    expect(lost.stderr).toMatch(/train\.csv.*name it again/s);
    const words = ['train', path('train.csv'), '--resume', path('far', 'away', 'run')];
    const found = await bertresnet([...words, '--val', path('val.csv')]);
    expect(found.code).toBe(0);
    expect(await weights('far', 'away', 'run')).toEqual(await weights('whole'));
  });

  it('cannot be given other options', async () => {
    const words = ['train', '--resume', path('stopped'), '--epochs', '9', '--batch-size', '2'];
    const { code, stderr } = await bertresnet(words);
    expect(code).toBe(2);
    expect(stderr).toContain('--epochs, --batch-size cannot change');
  });

  it('may be bare beside the options that the run was started with', async () => {
    const words = trainWords(workspace, 'bare', 3);
    await interrupted([...words, '--resume'], 'epoch 2: loss'); // nothing there yet: it begins
    const resumed = await bertresnet([...words, '--resume']);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toContain('going on after step');
    expect(await weights('bare')).toEqual(await weights('whole'));
    const nameless = await bertresnet(['train', '--resume']);
    expect(nameless.stderr).toContain('--resume needs the folder of the run');
    const elsewhere = await bertresnet([...words, '--resume', path('whole')]);
    expect(elsewhere.stderr).toContain('so --out cannot be');
  });

  it('can be one that has not begun', async () => {
    await mkdir(path('unborn'));
    await cp(path('whole', 'config.json'), path('unborn', 'config.json'));
    const { code } = await bertresnet(['train', '--resume', path('unborn')]);
    expect(code).toBe(0);
    expect(await weights('unborn')).toEqual(await weights('whole'));
  });
});

async function figures(...names: string[]): Promise<unknown> {
  return JSON.parse(await readFile(path(...names, 'metrics.json'), 'utf8'));
}

async function weights(...names: string[]): Promise<Buffer> {
  return readFile(path(...names, 'model', 'model.safetensors'));
}

/** Trains until something was said, then presses Ctrl-C. */
async function interrupted(words: string[], said: string) {
  const controller = new AbortController();
  return bertresnet(words, {
    signal: controller.signal,
    heard: (line) => void (line.includes(said) && controller.abort()),
  });
}
