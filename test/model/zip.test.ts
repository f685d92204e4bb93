import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobWriter, TextReader, Uint8ArrayReader, ZipWriter } from '@zip.js/zip.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { zipFolder } from '../../src/files/zipFolder.js';
import { BertResNetModel } from '../../src/model.js';
import { tinyModel, weightsOf } from '../training/tiny.js';

let folder = '';
let weights: Record<string, number[]>;
beforeAll(async () => {
  await useBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'zip-'));
  const model = await tinyModel();
  weights = await weightsOf(model);
  await model.save(join(folder, 'run/model'));
  await writeFile(join(folder, 'run/.hidden'), '');
});
afterAll(() => rm(folder, { recursive: true }));

describe('a saved model', () => {
  it('is read from its zip, with or without the folder around it', async () => {
    for (const path of ['run/model', 'run']) {
      const zip = await zipFolder(join(folder, path));
      const model = await BertResNetModel.fromPretrained(zip);
      expect(await weightsOf(model)).toEqual(weights);
      expect(model.tokenizer?.tokenId('snow')).toBeDefined();
      expect(model.processor?.size).toEqual({ height: 8, width: 8 });
      model.dispose();
    }
  });

  it("'s tokenizer and processor are read from their files alone", async () => {
    const files = async (name: string) => [
      new File([await readFile(join(folder, 'run/model', name))], name),
    ];
    const tokenizer = await BertTokenizer.fromPretrained(await files('tokenizer.json'));
    expect(tokenizer.tokenId('snow')).toBeDefined();
    const processor = await ImageProcessor.fromPretrained(await files('preprocessor_config.json'));
    expect(processor.size).toEqual({ height: 8, width: 8 });
    const other = BertTokenizer.fromPretrained(await files('config.json'));
    await expect(other).rejects.toThrow(/^tokenizer: the files given must hold tokenizer\.json or/);
  });

  it('is read from a zip of macOS, which has files of its own', async () => {
    const writer = new ZipWriter(new BlobWriter(), { useWebWorkers: false });
    for (const name of await readdir(join(folder, 'run/model'))) {
      const bytes = await readFile(join(folder, 'run/model', name));
      await writer.add(`model/${name}`, new Uint8ArrayReader(bytes));
      await writer.add(`__MACOSX/model/._${name}`, new TextReader('x'));
    }
    const model = await BertResNetModel.fromPretrained(await writer.close());
    expect(await weightsOf(model)).toEqual(weights);
    model.dispose();
  });

  it('that is missing makes no zip', async () => {
    await expect(zipFolder(join(folder, 'none'))).rejects.toThrow(/^zipFolder: there is no folder/);
  });
});
