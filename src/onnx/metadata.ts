import { readCalibration } from '../calibration.js';
import { ImageProcessor } from '../datasets/image.js';
import type { PreprocessorJson } from '../datasets/imageJson.js';
import type { ImageSize } from '../datasets/imagePixels.js';
import { BertTokenizer } from '../datasets/tokenizer.js';
import type { TokenizerConfigJson, TokenizerJson } from '../datasets/tokenizerJson.js';
import { InputError, messageOf } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import type { ModelConfig } from '../modelOptions.js';

/** The version of the metadata that this library writes, and the newest that it reads. */
export const metadataVersion = 1;

/** What an exported model says of itself. */
export interface OnnxMetadata {
  readonly labels: readonly string[];
  /** What its answers rest on: its inputs are those of the mode. */
  readonly mode: Mode;
  /** The number of tokens at which the model cuts its rows, where there is one. */
  readonly maxLength?: number;
  /** The size of the pictures that it reads. */
  readonly imageSize?: ImageSize;
  readonly config: ModelConfig;
  readonly tokenizer?: BertTokenizer;
  readonly processor?: ImageProcessor;
}

/**
 * The custom metadata of an ONNX file: a text for each key. What is no text is JSON: `labels` in the order of the
 * logits, `config` (config.json of a saved model), `image_size`, and, where the mode needs them and the model has them, `tokenizer`,
 * `tokenizer_config` and `preprocessor_config`, the contents of the files of those names.
 */
export function describeModel(
  model: BertResNetModel,
  { mode, imageSize, version }: { mode: Mode; imageSize?: ImageSize; version: string },
): Record<string, string> {
  const { labels, config, tokenizer, processor } = model;
  const text = mode === 'image' ? undefined : tokenizer;
  const image = mode === 'text' ? undefined : processor;
  const given = {
    model_type: 'bertresnet',
    bertresnet_version: version,
    format_version: String(metadataVersion),
    mode,
    labels: JSON.stringify(labels),
    config: JSON.stringify(config),
    max_length: mode === 'image' ? undefined : model.textLength()?.toString(),
    image_size: imageSize && JSON.stringify(imageSize),
    tokenizer: text && JSON.stringify(text.toJSON()),
    tokenizer_config: text && JSON.stringify(text.toConfigJSON()),
    preprocessor_config: image && JSON.stringify(image.toJSON()),
  };
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as Record<string, string>;
}

/**
 * Reads what `describeModel` wrote.
 *
 * @throws InputError where the file was not exported by this library, by a newer version, or was changed.
 */
export async function parseMetadata(
  entries: ReadonlyMap<string, string>,
  source: string,
): Promise<OnnxMetadata> {
  checkOrigin(entries, source);
  const read = (key: string): unknown => readJson(entries, key, source);
  const [labels, mode, limit] = [read('labels'), entries.get('mode'), entries.get('max_length')];
  if (!isLabels(labels)) throw unfit(source, `labels are ${entries.get('labels')}`);
  if (!modes.includes(mode as Mode)) throw unfit(source, `mode is ${mode}`);
  const maxLength = limit === undefined ? undefined : Number(limit);
  if (maxLength !== undefined && !(maxLength > 0)) throw unfit(source, `max_length is ${limit}`);
  const config = read('config') as ModelConfig | undefined;
  if (typeof config?.text?.modelType !== 'string') throw unfit(source, 'config names no encoder');
  readCalibration(config.calibration, source);
  const imageSize = read('image_size') as ImageSize | undefined;
  if (mode !== 'text' && !(Number(imageSize?.height) > 0 && Number(imageSize?.width) > 0)) {
    throw unfit(source, `image_size is ${entries.get('image_size')}`);
  }
  const [tokenizer, preprocessor] = [read('tokenizer'), read('preprocessor_config')];
  const tokenizerConfig = (read('tokenizer_config') ?? {}) as TokenizerConfigJson;
  return {
    labels,
    mode: mode as Mode,
    maxLength,
    imageSize,
    config,
    tokenizer:
      tokenizer === undefined
        ? undefined
        : await BertTokenizer.fromJSON(tokenizer as TokenizerJson, tokenizerConfig),
    processor:
      preprocessor === undefined
        ? undefined
        : ImageProcessor.fromJSON(preprocessor as PreprocessorJson),
  };
}

function checkOrigin(entries: ReadonlyMap<string, string>, source: string): void {
  const [family, version] = [entries.get('model_type'), Number(entries.get('format_version'))];
  if (family !== 'bertresnet' || !Number.isInteger(version)) {
    throw new InputError(
      `OnnxModel: ${source} must be a model that toOnnx wrote, got one without its metadata; ` +
        'export it with model.toOnnx or bertresnet export',
    );
  }
  if (version <= metadataVersion) return;
  throw new InputError(
    `OnnxModel: ${source} has the format version ${version}, and ${metadataVersion} is the newest that this ` +
      'version reads; update bertresnet',
  );
}

function readJson(entries: ReadonlyMap<string, string>, key: string, source: string): unknown {
  const value = entries.get(key);
  if (value === undefined) return undefined;
  try {
    return JSON.parse(value);
  } catch (error) {
    throw unfit(source, `${key} is no JSON (${messageOf(error)})`);
  }
}

function isLabels(labels: unknown): labels is string[] {
  return (
    Array.isArray(labels) && labels.length > 0 && labels.every((one) => typeof one === 'string')
  );
}

function unfit(source: string, came: string): InputError {
  return new InputError(
    `OnnxModel: the metadata of ${source} must be what toOnnx wrote, but its ${came}; export it again`,
  );
}
