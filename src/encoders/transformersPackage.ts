import type * as Transformers from '@huggingface/transformers';
import type { PixelValues } from '../datasets/features.js';
import type { RgbImage } from '../datasets/imagePixels.js';
import { InputError, messageOf } from '../errors.js';
import type { HostStates, HostValues } from './hostPooling.js';

/** How a model is loaded; where its files are kept and fetched from, the package's own `env` says. */
export interface TransformersLoading {
  /** A branch, tag or commit of the hub (default `main`). */
  readonly revision?: string;
  /** Which of the model's ONNX files: `fp32` (default), `fp16`, `q8`, ... Features of quantised ones depend a little on the batch. */
  readonly dtype?: string;
  /** What it runs on: `cpu`, `cuda`, `wasm`, `webgpu`, ... (default: the processor). */
  readonly device?: string;
}

/** A model that reads texts, with its tokenizer. */
export interface TextNetwork {
  /** The longest text, in tokens. */
  readonly maxLength?: number;
  run(texts: readonly string[], maxLength?: number): Promise<HostStates>;
  dispose(): void;
}

/** A model that reads pictures, with its image processor. */
export interface ImageNetwork {
  process(picture: RgbImage): Promise<PixelValues>;
  /** Of pictures of one size. */
  run(pictures: readonly PixelValues[]): Promise<HostStates>;
  dispose(): void;
}

type Tensors = Readonly<Record<string, Transformers.Tensor | undefined>>;
type Run = (inputs: object) => Promise<Tensors>;

/** @throws InputError where the package is not installed, or the model cannot be loaded */
export async function openFeatureExtraction(
  model: string,
  options: TransformersLoading,
): Promise<TextNetwork> {
  const { tokenizer, model: network } = await open('feature-extraction', model, options);
  const run = network as unknown as Run;
  const tokenize = tokenizer as unknown as (texts: string[], how: object) => Tensors;
  const maxLength = longest(tokenizer.model_max_length, network.config);
  return {
    maxLength,
    async run(texts, most = maxLength) {
      const how = { padding: true, truncation: true, max_length: most ?? null };
      const inputs = tokenize([...texts], how);
      const states = statesOf(await run(inputs));
      return { ...states, mask: inputs['attention_mask']?.data as ArrayLike<bigint> | undefined };
    },
    dispose: () => release(network),
  };
}

/** @throws InputError as `openFeatureExtraction` */
export async function openImageFeatureExtraction(
  model: string,
  options: TransformersLoading,
): Promise<ImageNetwork> {
  const { processor, model: network } = await open('image-feature-extraction', model, options);
  const { RawImage, Tensor } = await importPackage(model);
  const run = network as unknown as Run;
  const processPictures = processor as unknown as (pictures: object[]) => Promise<Tensors>;
  const runAlike = (pictures: readonly PixelValues[]): Promise<Tensors> => {
    const [{ data: first, shape }] = pictures as [PixelValues];
    const all = new Float32Array(pictures.length * first.length);
    pictures.forEach(({ data }, i) => all.set(data, i * first.length));
    return run({ pixel_values: new Tensor('float32', all, [pictures.length, ...shape]) });
  };
  return {
    async process({ data, width, height }) {
      const picture = new RawImage(new Uint8ClampedArray(data), width, height, 3);
      const { pixel_values: pixels } = await processPictures([picture]);
      const { data: values, dims } = pixels!.to('float32');
      return { data: values as Float32Array, shape: dims.slice(1) };
    },
    async run(pictures) {
      const [first] = pictures;
      const other = pictures.find(({ shape }) => `${shape}` !== `${first!.shape}`);
      if (other === undefined) return statesOf(await runAlike(pictures));
      throw new InputError(
        `transformers: the processor of ${model} must give pictures of one size, got ${first!.shape.join(' x ')} and ` +
          `${other.shape.join(' x ')}; use batches of one row, or a model whose processor crops or resizes to one size`,
      );
    },
    dispose: () => release(network),
  };
}

type Task = 'feature-extraction' | 'image-feature-extraction';

interface Opened {
  readonly model: Transformers.PreTrainedModel;
  readonly tokenizer: Transformers.PreTrainedTokenizer;
  readonly processor: Transformers.Processor;
}

async function open(task: Task, model: string, options: TransformersLoading): Promise<Opened> {
  const { pipeline } = await importPackage(model);
  const { findFolder } = await import('../weights/hub.node.js');
  const folder = await findFolder(model);
  const { revision, dtype, device } = options;
  const how = {
    revision,
    dtype: dtype as Transformers.DataType,
    device: device as Transformers.DeviceType | undefined,
    // Threads that spin between operators take the cores from a training step.
    session_options: { extra: { session: { intra_op: { allow_spinning: '0' } } } },
  };
  try {
    return (await pipeline(task, folder?.path ?? model, how)) as unknown as Opened;
  } catch (error) {
    throw new InputError(
      `transformers: ${model} cannot be loaded (${messageOf(error).split('\n', 1)[0]}); it must be a ${task} model of ` +
        `the hub, or a folder in its layout, with an ONNX file for the dtype '${dtype}'`,
    );
  }
}

// Bundlers follow an import only where its name is written out, and go on without the package only within `try`.
async function importPackage(model: string): Promise<typeof Transformers> {
  try {
    return await import('@huggingface/transformers');
  } catch (error) {
    throw new InputError(
      `transformers: ${model} is run by the package @huggingface/transformers, which is not available here ` +
        `(${messageOf(error).split('\n', 1)[0]}); npm install @huggingface/transformers`,
    );
  }
}

/** The fields of a config.json that say how long a text may be. */
interface PositionsConfig {
  readonly model_type?: string;
  readonly max_position_embeddings?: number;
  readonly pad_token_id?: number | null;
}

/** The families whose positions begin behind the one that stands for padding, as RoBERTa's. */
const paddedPositions: readonly unknown[] = ['roberta', 'xlm-roberta', 'camembert', 'mpnet'];

/** The tokenizer's limit, else the tokens for which the model has positions; tokenizers without one name a huge number. */
function longest(ofTokenizer: number, config: object): number | undefined {
  if (ofTokenizer < 1e6) return ofTokenizer;
  const {
    model_type: family,
    max_position_embeddings: positions,
    pad_token_id: padding,
  } = config as PositionsConfig;
  if (typeof positions !== 'number' || typeof padding !== 'number') return positions;
  return paddedPositions.includes(family) ? positions - padding - 1 : positions;
}

/** The outputs that features are made of, by the names that exporters give them. */
function statesOf(outputs: Tensors): HostStates {
  const states = outputs['last_hidden_state'] ?? outputs['token_embeddings'];
  const vectors =
    outputs['sentence_embedding'] ?? outputs['text_embeds'] ?? outputs['image_embeds'];
  const main = onHost(states ?? vectors ?? outputs['pooler_output'] ?? outputs['logits']);
  const kind = ({ 2: 'vectors', 3: 'sequence', 4: 'map' } as const)[main?.shape.length ?? 0];
  return {
    ...(kind && { [kind]: main }),
    ...(outputs['pooler_output'] && { pooler: onHost(outputs['pooler_output']) }),
  };
}

function onHost(tensor: Transformers.Tensor | undefined): HostValues | undefined {
  if (tensor === undefined) return undefined;
  return { data: tensor.to('float32').data as Float32Array, shape: tensor.dims };
}

/** Sessions are released when they are idle; nobody waits for it. */
function release(network: Transformers.PreTrainedModel): void {
  network.dispose().catch(() => {});
}
