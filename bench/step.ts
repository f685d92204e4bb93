/**
 * One training step and one forward pass beside PyTorch's, in turn, with the peak of resident memory.
 *
 *     npm run bench:step -- [big|small|emoji|large] [rounds] [--no-peer] [--profile]
 *
 * Node compiles what records a step in the course of some thirty of them: `-- big 60 --no-peer` shows what is left then.
 * --profile prints the time by operator as well; it runs each program some more times, which costs memory.
 * PYTHON names the interpreter that has torch and transformers (default python3).
 */
import * as tf from '@tensorflow/tfjs-core';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBackend } from '@tensorflow/tfjs-core';
import { useBackend } from '../src/backends/select.js';
import type { OnnxRuntimeBackend } from '../src/backends/onnxruntime/backend.js';
import { BertResNetModel } from '../src/model.js';
import { setDebug } from '../src/onnxruntime.js';
import { AdamW } from '../src/training/optimizer.js';
import { bertConfig, bottleneckConfig } from './geometry.js';
import { Peer, answer, median } from './peers.js';
import type { Answer } from './peers.js';

interface Geometry {
  readonly bert: Readonly<Record<string, number>>;
  readonly resnet: Readonly<Record<string, number | string | readonly number[]>>;
  readonly batch: number;
  readonly length: number;
  readonly size: number;
}

const geometries: Readonly<Record<string, Geometry>> = {
  big: {
    bert: bertConfig(768, 12, 12),
    resnet: bottleneckConfig(64, [3, 4, 6, 3]),
    batch: 8,
    length: 64,
    size: 224,
  },
  small: {
    bert: bertConfig(384, 6, 12),
    resnet: { ...bottleneckConfig(64, [3, 4, 6, 3]), hidden_sizes: [64, 128, 256, 512] },
    batch: 16,
    length: 64,
    size: 224,
  },
  emoji: {
    bert: bertConfig(128, 2, 2),
    resnet: {
      embedding_size: 16,
      hidden_sizes: [16, 32, 64, 128],
      depths: [2, 2, 2, 2],
      layer_type: 'basic',
    },
    batch: 32,
    length: 32,
    size: 64,
  },
  large: {
    bert: bertConfig(1024, 24, 16),
    resnet: bottleneckConfig(64, [3, 8, 36, 3]),
    batch: 2,
    length: 64,
    size: 224,
  },
};

const hiddenSize = 512;
const threads = availableParallelism();
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const [size = 'big', rounds = '5'] = process.argv.slice(2).filter((text) => !text.startsWith('--'));
const geometry = geometries[size];
if (geometry === undefined) {
  throw new Error(`bench: the size must be one of ${Object.keys(geometries).join(', ')}`);
}
await (flags.includes('--side') ? ours(geometry) : compare(geometry));

async function compare({ ...sizes }: Geometry): Promise<void> {
  const peers = [
    await Peer.start(process.execPath, [fileURLToPath(import.meta.url), size, '--side', ...flags]),
  ];
  if (!flags.includes('--no-peer')) {
    const options = JSON.stringify({ ...sizes, hiddenSize, threads });
    const script = join(import.meta.dirname, 'step.py');
    peers.push(await Peer.start(process.env['PYTHON'] ?? 'python3', [script, options]));
  }
  console.log(`${size}: batch ${sizes.batch}, ${sizes.length} tokens, ${sizes.size} pixels`);
  for (const task of ['train', 'forward']) await inTurn(task, peers);
  const peaks = await Promise.all(peers.map((peer) => peer.ask('memory')));
  report(
    'peak resident memory, GB',
    peers,
    peaks.map(({ bytes }) => Number(bytes) / 1e9),
    2,
  );
  for (const peer of peers) peer.stop();
}

/** One round to warm up, then each side once a round. */
async function inTurn(task: string, peers: readonly Peer[]): Promise<void> {
  const times = peers.map((): number[] => []);
  const first: number[] = [];
  const details: Answer[] = [];
  for (let round = 0; round <= Number(rounds); round++) {
    for (const [i, peer] of peers.entries()) {
      const reply = await peer.ask(task);
      if (round === 0) first.push(Number(reply['ms']));
      else times[i]!.push(Number(reply['ms']));
      if (i === 0) details.push(reply);
    }
  }
  report(`${task}, first, ms`, peers, first, 0);
  report(`${task}, median of ${rounds}, ms`, peers, times.map(median), 0);
  const last = details.slice(1).slice(-10);
  const [script, host, whole] = ['script', 'host', 'ms'].map((part) =>
    median(last.map((reply) => Number(reply[part]))),
  ) as [number, number, number];
  const parts = [
    `${script.toFixed(1)} ms (${((100 * script) / whole).toFixed(1)}%) recording and planning`,
    `${host.toFixed(1)} ms on the host`,
  ];
  console.log(`  of ours, last ${last.length}: ${parts.join(', ')}`);
}

function report(what: string, peers: readonly Peer[], values: readonly number[], digits: number) {
  const texts = values.map((value, i) => `${peers[i]!.name} ${value.toFixed(digits)}`);
  const ratio = values.length > 1 ? `, ratio ${(values[0]! / values[1]!).toFixed(2)}` : '';
  console.log(`${what}: ${texts.join(', ')}${ratio}`);
}

async function ours({ bert, resnet, batch, length, size }: Geometry): Promise<void> {
  await useBackend('onnxruntime', { threads });
  if (flags.includes('--profile')) setDebug(2);
  const { executor } = findBackend('onnxruntime') as OnnxRuntimeBackend;
  const names = ['a', 'b', 'c'];
  const model = new BertResNetModel({
    labels: names,
    text: camel(bert),
    image: camel(resnet),
    hiddenSize,
  });
  const variables = [...model.namedParameters().values()];
  const optimizer = new AdamW({ learningRate: 1e-5 });
  const ids = Int32Array.from({ length: batch * length }, (_, i) => (i * 7919) % 30522);
  const text = {
    inputIds: tf.tensor2d(ids, [batch, length], 'int32'),
    attentionMask: tf.ones<tf.Rank.R2>([batch, length], 'int32'),
  };
  const pixels = Float32Array.from({ length: batch * size * size * 3 }, (_, i) => Math.sin(i));
  const image = tf.tensor4d(pixels, [batch, size, size, 3]);
  const labels = tf.oneHot(
    tf.tensor1d(
      Int32Array.from({ length: batch }, (_, i) => i % 3),
      'int32',
    ),
    3,
  );
  await Promise.all([labels.data(), text.attentionMask.data()]);
  const loss = (): tf.Scalar => {
    const logits = model.forward({ text, image }, { training: true });
    return tf.neg(tf.mean(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), 1))) as tf.Scalar;
  };
  const tasks: Record<string, () => tf.Tensor> = {
    train: () => optimizer.minimize(loss, true, variables)!,
    forward: () => tf.tidy(() => tf.sum(model.forward({ text, image }))),
  };
  await answer('bertresnet', async (question): Promise<Answer> => {
    if (question === 'memory') return { bytes: process.resourceUsage().maxRSS * 1024 };
    const { planTime, hostTime } = executor.stats;
    const started = performance.now();
    const result = tasks[question]!();
    const recorded = performance.now() - started;
    const [value] = await result.data();
    result.dispose();
    return {
      ms: performance.now() - started,
      value: value!,
      script: recorded + executor.stats.planTime - planTime,
      host: executor.stats.hostTime - hostTime,
    };
  });
}

/** A configuration of transformers in this library's names. */
function camel(config: object): object {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [
      name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
