import * as tf from '@tensorflow/tfjs-core';
import { InputError } from './errors.js';
import { adaptedLayers, addLora, removeLora } from './nn/lora.js';
import type { LoraConfig } from './nn/lora.js';
import type { Module } from './nn/module.js';
import type { HostTensor } from './nn/stateDict.js';
import { openPretrained } from './weights/hub.js';
import type { PretrainedFiles, PretrainedOptions, PretrainedSource } from './weights/hub.js';
import { readAndClose, writeSafetensors } from './weights/safetensors.js';

const [weightsFile, configFile] = ['adapter_model.safetensors', 'adapter_config.json'];
/** What peft writes before the names of the model that it adapts. */
const peftPrefix = 'base_model.model.';

/**
 * Writes the adapters of an encoder as peft does, `adapter_model.safetensors` and `adapter_config.json`; the folder is
 * replaced as a whole. `PeftModel.from_pretrained(BertModel.from_pretrained(base), folder)` reads it in Python.
 *
 * @throws InputError where the encoder has none.
 */
export async function saveLora(encoder: Module, folder: string): Promise<void> {
  const layers = adaptedLayers(encoder);
  const [first] = layers.values();
  if (first === undefined) {
    throw new InputError('lora: an encoder must have adapters to save, got none; see addLora');
  }
  const parameters = [...layers].flatMap(([layer, { adapter }]) =>
    Object.entries({ lora_A: adapter.a, lora_B: adapter.b }).map(
      ([part, value]): [string, tf.Tensor] => [`${peftPrefix}${layer}.${part}.weight`, value],
    ),
  );
  const { replaceFolder, writeFileAtomic } = await import('./weights/files.node.js');
  const config = `${JSON.stringify(peftConfig(first.adapter.config), null, 2)}\n`;
  const writeAll = async (temporary: string): Promise<void> => {
    await writeSafetensors(`${temporary}/${weightsFile}`, Object.fromEntries(parameters), {
      metadata: { format: 'pt' },
    });
    await writeFileAtomic(`${temporary}/${configFile}`, config);
  };
  await replaceFolder(folder, writeAll, {
    owns: (name) => name === weightsFile || name === configFile,
  });
}

function peftConfig({ r, alpha, dropout, targetModules }: LoraConfig): object {
  return {
    peft_type: 'LORA',
    task_type: 'FEATURE_EXTRACTION',
    base_model_name_or_path: null,
    r,
    lora_alpha: alpha,
    lora_dropout: dropout,
    target_modules: targetModules,
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    inference_mode: true,
    modules_to_save: null,
    use_dora: false,
    use_rslora: false,
  };
}

/**
 * Gives an encoder the adapters that `saveLora` or peft wrote, from a folder or a hub id; it must have none yet.
 *
 * @throws InputError where they do not fit the encoder, or are of a kind that is not known here (DoRA, trained biases,
 *   ranks by layer).
 */
export async function loadLora(
  encoder: Module,
  source: PretrainedSource,
  options: PretrainedOptions = {},
): Promise<void> {
  const files = await openPretrained(source, options);
  const config = readConfig(await files.readJson(configFile), files.source);
  const weights = await readAdapters(files);
  const restoreFrozen = encoder.rememberFrozen();
  addLora(encoder, config);
  try {
    assign(encoder, weights, files.source);
  } catch (error) {
    removeLora(encoder);
    restoreFrozen();
    throw error;
  }
}

/** What peft can do and we cannot, with the value at which it does nothing. */
const unsupported = {
  use_dora: false,
  use_rslora: false,
  fan_in_fan_out: false,
  bias: 'none',
  modules_to_save: null,
  rank_pattern: {},
  alpha_pattern: {},
  lora_bias: false,
} as const;

function readConfig(json: object, source: string): LoraConfig {
  const given = json as Record<string, unknown>;
  if (given['peft_type'] !== 'LORA') {
    throw new InputError(
      `lora: ${source} must hold adapters of the type LORA, got ${JSON.stringify(given['peft_type'])}`,
    );
  }
  for (const [name, off] of Object.entries(unsupported)) {
    const value = given[name] ?? off;
    if (JSON.stringify(value) === JSON.stringify(off)) continue;
    throw new InputError(
      `lora: ${source} has ${name} ${JSON.stringify(value)}, which is not known here; ` +
        'merge the adapters in Python (merge_and_unload), and load what that gives',
    );
  }
  const { r, lora_alpha: alpha, lora_dropout: dropout, target_modules: targetModules } = given;
  return { r, alpha, dropout, targetModules } as LoraConfig;
}

/** The matrices by `<layer>.lora_A` and `<layer>.lora_B`. */
async function readAdapters(files: PretrainedFiles): Promise<Map<string, HostTensor>> {
  const { tensors } = await readAndClose(await files.open(weightsFile));
  const named = [...tensors].map(([name, value]): [string, HostTensor] => {
    const inner = name.startsWith(peftPrefix) ? name.slice(peftPrefix.length) : name;
    return [inner.replace(/^bert\./, '').replace(/(\.default)?\.weight$/, ''), value];
  });
  return new Map(named);
}

function assign(encoder: Module, weights: ReadonlyMap<string, HostTensor>, source: string): void {
  const left = new Set(weights.keys());
  tf.tidy(() => {
    for (const [layer, { adapter }] of adaptedLayers(encoder)) {
      for (const [part, variable] of Object.entries({ lora_A: adapter.a, lora_B: adapter.b })) {
        const name = `${layer}.${part}`;
        const value = weights.get(name);
        if (value === undefined || value.shape.join() !== variable.shape.join()) {
          const came = value === undefined ? 'nothing' : `[${value.shape.join(', ')}]`;
          throw new InputError(
            `lora: ${source} must hold ${name} of the shape [${variable.shape.join(', ')}], got ${came}; ` +
              'the adapters must be of the same encoder',
          );
        }
        variable.assign(tf.tensor(Float32Array.from(value.values), [...value.shape]));
        left.delete(name);
      }
    }
  });
  if (left.size === 0) return;
  throw new InputError(
    `lora: ${source} holds ${[...left].join(', ')}, which the encoder has no layer for`,
  );
}
