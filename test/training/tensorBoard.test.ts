import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { crc32c, encodeEvent, encodeRecord, maskedCrc32c } from '../../src/training/eventFile.js';
import type { Event } from '../../src/training/eventFile.js';
import { TensorBoardWriter } from '../../src/training/tensorBoard.js';
import { Trainer } from '../../src/training/trainer.js';
import { tinyData, tinyModel } from './tiny.js';

/** What TensorBoard's own writer makes. */
const theirs = JSON.parse(
  readFileSync(new URL('../fixtures/events.json', import.meta.url), 'utf8'),
) as { readonly file: string; readonly maskedCrc32c: Readonly<Record<string, number>> };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let folder = '';
beforeAll(async () => {
  await useBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'board-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The records of a file, each checked by its checksums. */
function recordsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const records = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

const textOf = (record: Uint8Array): string => new TextDecoder('latin1').decode(record);

describe('event files', () => {
  it('have the checksums of RFC 3720, masked as TensorBoard masks them', () => {
    expect(crc32c(bytes('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    for (const [text, checksum] of Object.entries(theirs.maskedCrc32c))
      expect(maskedCrc32c(bytes(text))).toBe(checksum);
  });

  it("equal those of TensorBoard's own writer, byte for byte", () => {
    const events: Event[] = [
      { wallTime: 1764166255.25, step: 0, fileVersion: 'brain.Event:2' },
      { wallTime: 1764166256.5, step: 1, starts: true },
      {
        wallTime: 1764166257.75,
        step: 1,
        scalars: { 'train/loss': 0.6931, 'train/learningRate': 0 },
      },
      { wallTime: 1764166258.125, step: 300, scalars: { 'validation/accuracy': 0.75 } },
      { wallTime: 1764166259, step: 2 ** 33, scalars: { a: Infinity, b: -1e-30 } },
    ];
    const file = Buffer.concat(events.map((event) => encodeRecord(encodeEvent(event))));
    expect(file.toString('hex')).toBe(theirs.file);
  });

  it('hold the steps and the epochs of a run', async () => {
    let now = 1764166255000;
    const board = new TensorBoardWriter(join(folder, 'own'), { now: () => (now += 500) });
    const model = await tinyModel();
    const trainer = new Trainer(model, { epochs: 2, batchSize: 4 });
    const history = await trainer.fit(tinyData(8), {
      ...{ validation: tinyData(4, 2), onStep: board.onStep, onEpoch: board.onEpoch },
    });
    const [name, ...others] = await readdir(join(folder, 'own'));
    expect(name).toBe('events.out.tfevents.1764166255.bertresnet.500');
    expect(others).toEqual([]);
    const records = recordsOf(await readFile(join(folder, 'own', name!))).map(textOf);
    expect(records).toHaveLength(2 + 4 + 2);
    expect(records[0]).toContain('brain.Event:2');
    for (const tag of ['train/loss', 'train/learningRate', 'train/gradNorm'])
      expect(records.filter((record) => record.includes(tag))).toHaveLength(4);
    const epochs = records.filter((record) => record.includes('train/epochLoss'));
    expect(epochs).toHaveLength(2);
    for (const tag of ['validation/accuracy', 'validation/text/macroF1', 'validation/both/loss'])
      expect(epochs[1]).toContain(tag);
    const accuracy = new Uint8Array(Float32Array.of(history[1]!.validation!.accuracy!).buffer);
    expect(epochs[1]).toContain(`validation/accuracy\x15${textOf(accuracy)}`);
    model.dispose();
  });

  it('lie in the run folder, another file for each time that a run goes on', async () => {
    const outputDir = join(folder, 'run');
    const options = { epochs: 2, batchSize: 4, outputDir, tensorboard: true };
    const model = await tinyModel();
    const controller = new AbortController();
    const fit = new Trainer(model, options).fit(tinyData(8), {
      signal: controller.signal,
      onStep: ({ step }) => void (step === 3 && controller.abort(new Error('later'))),
    });
    await expect(fit).rejects.toThrow('later');
    await new Trainer(model, { ...options, resume: true }).fit(tinyData(8));
    const names = await readdir(join(outputDir, 'tensorboard'));
    expect(names).toHaveLength(2);
    const records = recordsOf(await readFile(join(outputDir, 'tensorboard', names[1]!)));
    expect(records).toHaveLength(2 + 1 + 1);
    await new Trainer(model, { ...options, overwrite: true, tensorboard: false }).fit(tinyData(8));
    expect(await readdir(outputDir)).not.toContain('tensorboard');
    expect(() => new Trainer(model, { tensorboard: true })).toThrow('pass its outputDir');
    model.dispose();
  });
});
