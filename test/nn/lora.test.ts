import * as tf from '@tensorflow/tfjs-core';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BertEncoder } from '../../src/encoders/bert.js';
import { bertConfigFromJson } from '../../src/encoders/bertConfig.js';
import { loadLora, saveLora } from '../../src/loraFiles.js';
import { DropoutSource } from '../../src/nn/dropout.js';
import { adaptedLayers, addLora, mergedState, mergeLora, removeLora } from '../../src/nn/lora.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { forwardTolerance, gradientTolerance, Oracle } from '../oracle.js';

const peftFolder = fileURLToPath(new URL('../fixtures/lora', import.meta.url));
const oracle = new Oracle('lora');

function makeEncoder(): BertEncoder {
  const config = bertConfigFromJson(JSON.parse(oracle.metadata['config']!), 'lora');
  const encoder = new BertEncoder({ ...config, pooling: 'cls' }, { initialize: false });
  encoder.loadStateDict(oracle.under('weight.'));
  return encoder;
}

const textOf = () => ({
  inputIds: oracle.tensor<tf.Tensor2D>('ids'),
  attentionMask: oracle.tensor<tf.Tensor2D>('mask'),
});

const feature = (encoder: BertEncoder): tf.Tensor2D =>
  tf.tidy(() => encoder.forward(textOf(), { training: false }));

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lora-'));
});
afterAll(() => rm(folder, { recursive: true }));

describeBackends('LoRA', () => {
  it("computes what peft's adapters compute, forward, backward and merged", async () => {
    const encoder = makeEncoder();
    await loadLora(encoder, peftFolder);
    await oracle.expect(feature(encoder), 'feature', forwardTolerance);
    const adapters = [...encoder.trainableParameters()];
    expect(adapters).toHaveLength(12);
    const { value, grads } = tf.variableGrads(
      () => {
        const found = encoder.forward(textOf(), { training: true });
        return tf.sum(tf.mul(found, oracle.tensor('lossWeights'))) as tf.Scalar;
      },
      adapters.map(([, variable]) => variable),
    );
    value.dispose();
    for (const [name, variable] of adapters) {
      expect(name).toMatch(/\.lora_[AB]\.default\.weight$/);
      const peftName = `gradient.base_model.model.${name}`;
      await oracle.expect(grads[variable.name]!, peftName, gradientTolerance);
    }
    mergeLora(encoder);
    expect(adaptedLayers(encoder).size).toBe(0);
    for (const [name, weight] of Object.entries(encoder.stateDict()))
      await oracle.expect(weight, `merged.${name}`, forwardTolerance);
    await oracle.expect(feature(encoder), 'feature', forwardTolerance);
    encoder.dispose();
  });

  it('begins as nothing, and leaves everything as it was where it is removed', async () => {
    const encoder = makeEncoder();
    const before = await take(feature(encoder));
    const names = Object.keys(await valuesOf(encoder.stateDict()));
    addLora(encoder, { r: 2, alpha: 4 });
    expect(await take(feature(encoder))).toEqual(before);
    expect([...encoder.trainableParameters().keys()]).toEqual(
      [0, 1].flatMap((layer) =>
        ['query', 'value'].flatMap((part) =>
          ['A', 'B'].map(
            (one) => `encoder.layer.${layer}.attention.self.${part}.lora_${one}.default.weight`,
          ),
        ),
      ),
    );
    // The weights of this encoder were loaded: its adapters must begin all the same.
    const [first] = adaptedLayers(encoder).values();
    expect(Math.max(...(await first!.adapter.a.data()))).toBeGreaterThan(0.05);
    removeLora(encoder);
    expect(Object.keys(await valuesOf(encoder.stateDict()))).toEqual(names);
    expect(await take(feature(encoder))).toEqual(before);
    encoder.dispose();
  });

  it('gives a merged state dict, and goes on unmerged', async () => {
    const encoder = makeEncoder();
    await loadLora(encoder, peftFolder);
    const before = await valuesOf(encoder.stateDict());
    const state = mergedState(encoder);
    expect(Object.keys(state).toSorted()).toEqual(Object.keys(oracle.under('merged.')).toSorted());
    for (const [name, weight] of Object.entries(state))
      await oracle.expect(weight, `merged.${name}`, forwardTolerance);
    expect(await valuesOf(encoder.stateDict())).toEqual(before);
    encoder.dispose();
  });

  it('drops what enters an adapter in training, and only there', async () => {
    const encoder = makeEncoder();
    addLora(encoder, { dropout: 0.5 });
    for (const { adapter } of adaptedLayers(encoder).values())
      tf.tidy(() => adapter.b.assign(tf.fill(adapter.b.shape, 0.3)));
    const train = (step: number): Promise<number[]> => {
      const context = { training: true, random: new DropoutSource(1, step) };
      return take(tf.tidy(() => encoder.forward(textOf(), context)));
    };
    expect(await train(1)).toEqual(await train(1));
    expect(await train(1)).not.toEqual(await train(2));
    expect(await take(feature(encoder))).toEqual(await take(feature(encoder)));
    encoder.dispose();
  });

  it('writes what peft writes, and reads it back', async () => {
    const encoder = makeEncoder();
    await loadLora(encoder, peftFolder);
    await saveLora(encoder, join(folder, 'adapter'));
    const [ours, theirs] = [
      await readSafetensors(join(folder, 'adapter', 'adapter_model.safetensors')),
      await readSafetensors(join(peftFolder, 'adapter_model.safetensors')),
    ];
    expect(Object.keys(ours).toSorted()).toEqual(Object.keys(theirs).toSorted());
    for (const [name, value] of Object.entries(theirs))
      expectClose(await take(ours[name]!), await take(value), { relative: 0, absolute: 0 });
    const read = async (from: string) =>
      JSON.parse(await readFile(join(from, 'adapter_config.json'), 'utf8')) as object;
    const config = (await read(join(folder, 'adapter'))) as Record<string, unknown>;
    const { task_type: _, ...fields } = config;
    expect(await read(peftFolder)).toMatchObject(fields);
    const again = makeEncoder();
    await loadLora(again, join(folder, 'adapter'));
    await oracle.expect(feature(again), 'feature', forwardTolerance);
    encoder.dispose();
    again.dispose();
  });

  it('refuses what does not fit, and leaves the encoder alone', async () => {
    const encoder = makeEncoder();
    expect(() => addLora(encoder, { r: 0 })).toThrow('lora: r must be at least 1, got 0');
    expect(() => addLora(encoder, { targetModules: ['querry'] })).toThrow(/got 'querry'.*query/);
    await expect(saveLora(encoder, join(folder, 'none'))).rejects.toThrow('see addLora');
    encoder.embeddings.words.frozen = true;
    const trained = [...encoder.trainableParameters().keys()];
    const before = tf.memory().numTensors;
    const changed = async (fields: object): Promise<void> => {
      const config = JSON.parse(await readFile(join(peftFolder, 'adapter_config.json'), 'utf8'));
      await writeFile(
        join(folder, 'adapter_config.json'),
        JSON.stringify({ ...config, ...fields }),
      );
      await writeFile(
        join(folder, 'adapter_model.safetensors'),
        await readFile(join(peftFolder, 'adapter_model.safetensors')),
      );
      await loadLora(encoder, folder);
    };
    await expect(changed({ use_rslora: true })).rejects.toThrow('use_rslora true');
    await expect(changed({ peft_type: 'IA3' })).rejects.toThrow('got "IA3"');
    await expect(changed({ r: 4 })).rejects.toThrow(/of the shape \[4, 12\], got \[3, 12\]/);
    await expect(changed({ target_modules: ['query'] })).rejects.toThrow('has no layer for');
    expect(adaptedLayers(encoder).size).toBe(0);
    expect([...encoder.trainableParameters().keys()]).toEqual(trained);
    expect(encoder.embeddings.words.frozen).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
    addLora(encoder);
    expect(() => addLora(encoder)).toThrow('merge them first');
    encoder.dispose();
  });
});

async function valuesOf(state: Record<string, tf.Tensor>): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {};
  for (const [name, tensor] of Object.entries(state)) found[name] = await take(tensor);
  return found;
}
