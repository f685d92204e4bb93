import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { runProgram } from '../../src/cli/program.js';

/** What a command wrote and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Who presses Ctrl-C, and who listens to what is said. */
export interface Listener {
  readonly signal?: AbortSignal;
  readonly heard?: (line: string) => void;
}

/** Runs the command line within this process. */
export async function bertresnet(
  words: readonly string[],
  { signal = new AbortController().signal, heard }: Listener = {},
): Promise<Outcome> {
  const [out, said]: [string[], string[]] = [[], []];
  const say = (line: string): void => {
    said.push(line);
    heard?.(line);
  };
  const terminal = { out: (line: string) => void out.push(line), say, interactive: false };
  const code = await runProgram(words, { terminal, signal, version: '0.0.0' });
  return { code, stdout: out.join('\n'), stderr: said.join('\n') };
}

/** Two kinds of days, told apart by a word and by a colour. */
export const labels = ['rainy', 'sunny'] as const;

const colours = { rainy: '#3366aa', sunny: '#ffcc00' };

/** A folder with rows, pictures, a vocabulary and two tiny geometries. */
export interface Workspace {
  readonly folder: string;
  path(...names: string[]): string;
  remove(): Promise<void>;
}

/** Makes train.csv (24 rows), val.csv (8), rows.csv (5, without labels, of which two lack an input). */
export async function makeWorkspace(): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), 'bertresnet-cli-'));
  const path = (...names: string[]): string => join(folder, ...names);
  await mkdir(path('img'));
  await writeFile(path('train.csv'), await rowsOf(folder, 0, 24));
  await writeFile(path('val.csv'), await rowsOf(folder, 24, 8));
  await writeFile(path('rows.csv'), unlabelled);
  await writeFile(path('vocab.txt'), vocabulary.join('\n') + '\n');
  await writeFile(path('text.json'), JSON.stringify(textGeometry));
  await writeFile(path('image.json'), JSON.stringify(imageGeometry));
  return { folder, path, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function rowsOf(folder: string, first: number, rows: number): Promise<string> {
  const lines = ['id,text,img_path,label'];
  for (let i = first; i < first + rows; i++) {
    const label = labels[i % 2]!;
    const create = {
      width: 24,
      height: 20 + (i % 3),
      channels: 3,
      background: colours[label],
    } as const;
    await sharp({ create })
      .png()
      .toFile(join(folder, 'img', `${i}.png`));
    lines.push(`${i},"a ${label} day, number ${i}",img/${i}.png,${label}`);
  }
  return lines.join('\n') + '\n';
}

const unlabelled = `id,text,img_path
1,"a sunny day
number 7",img/1.png
=2+3,a rainy day,img/0.png
3,a sunny day,
4,,img/4.png
5,a day,img/5.png
`;

const vocabulary = [
  ...['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'day', 'number', 'rainy', 'sunny', ','],
  ...Array.from('0123456789', (digit) => digit),
  ...Array.from('0123456789', (digit) => `##${digit}`),
];

const textGeometry = {
  model_type: 'bert',
  vocab_size: vocabulary.length,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 32,
};

const imageGeometry = {
  model_type: 'resnet',
  embedding_size: 8,
  hidden_sizes: [8, 16],
  depths: [1, 1],
  layer_type: 'basic',
};

/** The words that train a tiny model in a workspace. */
export function trainWords({ path }: Workspace, out: string, epochs = 8): string[] {
  return [
    ...['train', path('train.csv'), '--val', path('val.csv'), '--out', path(out)],
    ...['--scratch', '--text', path('text.json'), '--image', path('image.json')],
    ...['--tokenizer', path('vocab.txt'), '--image-size', '16', '--hidden-size', '16'],
    ...[
      '--epochs',
      String(epochs),
      '--batch-size',
      '8',
      '--learning-rate',
      '0.01',
      '--backend',
      'cpu',
    ],
  ];
}
