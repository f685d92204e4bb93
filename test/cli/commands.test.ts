import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ResNetFeatureModel } from '../../src/index.js';
import { bertresnet, labels, makeWorkspace, trainWords } from './workspace.js';
import type { Outcome, Workspace } from './workspace.js';

interface Figures {
  readonly accuracy: number;
  readonly rows: number;
  readonly modes: Record<string, { readonly accuracy: number; readonly rows: number }>;
}

let workspace: Workspace;
let trained: Outcome;
const cpu = ['--backend', 'cpu'];

beforeAll(async () => {
  workspace = await makeWorkspace();
  trained = await bertresnet(trainWords(workspace, 'run'));
});
afterAll(() => workspace.remove());

const path = (...names: string[]): string => workspace.path(...names);
const json = async (...names: string[]): Promise<unknown> =>
  JSON.parse(await readFile(path(...names), 'utf8')) as unknown;
const records = async (...names: string[]): Promise<Record<string, string>[]> =>
  parse(await readFile(path(...names), 'utf8'), { columns: true });

describe('train', () => {
  it('says what it read, what it runs on, how it went and where the run is', () => {
    expect(trained.stderr).toContain(`train.csv: 24 rows (text from text, image from img_path`);
    expect(trained.stderr).toContain('labels: rainy 12, sunny 12');
    expect(trained.stderr).toContain('backend: cpu');
    expect(trained.stderr).toMatch(/epoch 8: loss/);
    expect(trained.stderr).toMatch(/best epoch: \d of 8/);
    expect(trained.stderr).toContain(`run: ${path('run')}`);
    expect(trained.stdout).toMatch(/mode +rows +accuracy/);
    expect(trained.code).toBe(0);
  });

  it('leaves a run folder', async () => {
    const names = await readdir(path('run'));
    expect(names.toSorted()).toEqual([
      'answers.csv',
      'checkpoint',
      'config.json',
      'history.jsonl',
      'leakage.csv',
      'metrics.json',
      'model',
      'report.html',
    ]);
    const { modes } = (await json('run', 'metrics.json')) as Figures;
    expect(Object.keys(modes)).toEqual(['text', 'image', 'both']);
    expect(modes['both']!.accuracy).toBeGreaterThan(0.9);
  });

  it('names no place of this machine in what it leaves', async () => {
    const { command } = (await json('run', 'config.json')) as { command: Record<string, unknown> };
    expect(command).toMatchObject({ train: '../train.csv', val: '../val.csv', epochs: 8 });
    expect(JSON.stringify(command)).not.toContain(workspace.folder);
  });

  it('keeps features where it is told to, and goes on with them', async () => {
    const words = [...trainWords(workspace, 'cached', 1), '--freeze', 'both', '--overwrite'];
    const { code, stderr } = await bertresnet([...words, '--cache-features', path('features')]);
    expect(code, stderr).toBe(0);
    const files = (await readdir(path('features'))).map((name) => name.split('-')[0]);
    expect(new Set(files)).toEqual(new Set(['text', 'image']));
    const { command, training } = (await json('cached', 'config.json')) as Record<string, object>;
    expect(command).toMatchObject({ cacheFeatures: '../features' });
    expect(training).toMatchObject({ cacheFeatures: true });
    const page = await readFile(path('cached', 'report.html'), 'utf8');
    expect(page).toContain('--freeze both');
    expect(page).not.toContain('--overwrite'); // whoever copies the command keeps the run
    // Neither the epochs that follow nor the report at the end compute them again.
    const again = vi.spyOn(ResNetFeatureModel.prototype, 'forward');
    expect((await bertresnet(['train', '--resume', path('cached')])).code).toBe(0);
    expect(again).not.toHaveBeenCalled();
    again.mockRestore();
    expect(await readdir(path('features'))).toHaveLength(files.length);
  });

  it('refuses a folder that holds a run', async () => {
    const { code, stderr } = await bertresnet(trainWords(workspace, 'run'));
    expect(code).toBe(2);
    expect(stderr).toBe(
      `bertresnet: train: ${path('run')} holds a run; --resume goes on with it, --overwrite replaces it, ` +
        'or name another --out',
    );
  });

  it('asks whether the column is the right one where most labels are of one row', async () => {
    const labelled = (name: string): string[] => [
      ...trainWords(workspace, `by-${name}`, 1),
      ...['--label-column', name, '--val-fraction', '0.25'],
    ];
    const said = await bertresnet(without(labelled('id'), '--val'));
    expect(said.stderr).toContain(
      'warning: 24 of 24 labels occur once; a classifier needs some rows of each, is id the right column?',
    );
    const { stderr } = await bertresnet(without(labelled('label'), '--val'));
    expect(stderr).not.toContain('occur once');
  });

  it('notices rows of validation that are trained on, and leaves them out when told to', async () => {
    const leak = [...without(trainWords(workspace, 'leak', 1), '--val')];
    const said = await bertresnet([...leak, '--val', path('train.csv')]);
    expect(said.stderr).toMatch(/warning: .*24 of the 24 rows/);
    await writeFile(
      path('half.csv'),
      (await readFile(path('train.csv'), 'utf8')).split('\n').slice(0, 9).join('\n'),
    );
    const mended = await bertresnet([
      ...without(leak, '--out'),
      ...['--out', path('mended'), '--val', path('half.csv'), '--exclude', path('half.csv')],
    ]);
    expect(mended.stderr).not.toMatch(/warning/);
    expect(mended.stderr).toContain('excluded: 8 rows');
    expect(mended.stderr).toContain('train.csv: 16 rows');
    // Named as it lies beside the rows, it is found again from the run's config.json.
    const beside = [...without(leak, '--out'), '--val', path('half.csv'), '--exclude', 'half.csv'];
    const named = await bertresnet([...beside, '--out', path('beside')]);
    expect(named.stderr).toContain('excluded: 8 rows');
    const { command } = (await json('beside', 'config.json')) as { command: object };
    expect(command).toMatchObject({ exclude: '../half.csv' });
    const config = ['--config', path('beside', 'config.json'), '--out', path('repeated'), ...cpu];
    const again = await bertresnet(['train', ...config]);
    expect(again.stderr).toContain('excluded: 8 rows');
    expect(again.code).toBe(0);
  });

  it('holds rows out where no validation file is given', async () => {
    const words = without(trainWords(workspace, 'held', 1), '--val');
    const { stderr, stdout, code } = await bertresnet([...words, '--json']);
    expect(stderr).toMatch(/[45] rows held out for validation/);
    const { run, backend, bestEpoch, metrics } = JSON.parse(stdout) as Record<string, unknown>;
    expect({ run, backend, bestEpoch }).toEqual({
      run: path('held'),
      backend: 'cpu',
      bestEpoch: 1,
    });
    expect((metrics as Figures).accuracy).toBeGreaterThanOrEqual(0);
    expect(code).toBe(0);
  });

  it.each([
    [['train'], /CSV is missing/],
    [['train', 'nowhere.csv'], /nowhere\.csv/],
    [['train', 'TRAIN', '--label-column', 'tga'], /"tga".*did you mean|tga/],
    [['train', 'TRAIN', '--scratch', '--out', 'OUT'], /--scratch needs --tokenizer/],
    [['train', 'TRAIN', '--text', 'nowhere/bert', '--out', 'OUT'], /nowhere\/bert/],
    [['train', '--resume', 'nowhere'], /nowhere holds no run to go on with/],
  ])('refuses %j', async (words, message) => {
    const real = words.map(
      (word) => ({ TRAIN: path('train.csv'), OUT: path('refused') })[word] ?? word,
    );
    const { code, stderr, stdout } = await bertresnet(real);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    if (words.includes('--scratch')) expect(stderr).not.toContain('backend:');
    await expect(readdir(path('refused'))).rejects.toThrow();
  });
});

describe('find-lr', () => {
  const words = (...more: string[]): string[] => [
    ...['find-lr', path('train.csv'), '--val', path('val.csv'), '--scratch'],
    ...['--text', path('text.json'), '--image', path('image.json'), '--tokenizer'],
    ...[path('vocab.txt'), '--image-size', '16', '--hidden-size', '16', '--batch-size', '8'],
    ...['--steps', '12', ...more, ...cpu],
  ];

  it('prints the curve and a rate for train, and writes nothing', async () => {
    const before = await readdir(path());
    const { stdout, stderr, code } = await bertresnet(words('--max', '0.1'));
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/rate +loss/);
    expect(stdout).toMatch(/--learning-rate [\d.e-]+ \(where the loss fell most steeply\)/);
    expect(await readdir(path())).toEqual(before);
  });

  it('prints JSON and only that', async () => {
    const { stdout } = await bertresnet(
      words('--json', '--min', '1e-5', '--head-learning-rate', '1e-3'),
    );
    const { points } = JSON.parse(stdout) as { points: { learningRate: number }[] };
    expect(points[0]!.learningRate).toBe(1e-5);
  });
});

describe('evaluate', () => {
  it('prints every mode and writes the figures beside the run', async () => {
    const { code, stdout, stderr } = await bertresnet([
      'evaluate',
      path('run'),
      path('val.csv'),
      ...cpu,
    ]);
    expect(code).toBe(0);
    for (const row of ['text', 'image', 'both'])
      expect(stdout).toMatch(new RegExp(`^ +${row} +8 `, 'm'));
    expect(stderr).toContain(path('run', 'metrics-val.json'));
    const figures = (await json('run', 'metrics-val.json')) as Figures;
    expect(await json('run', 'metrics.json')).toMatchObject(figures);
    expect(figures.accuracy).toBe(figures.modes['both']!.accuracy);
  });

  it('prints JSON and only that', async () => {
    const words = ['evaluate', path('run'), path('val.csv'), '--mode', 'text', '--json', ...cpu];
    const { stdout } = await bertresnet([...words, '--out', path('text.metrics')]);
    const figures = JSON.parse(stdout) as Figures;
    expect(Object.keys(figures.modes)).toEqual(['text']);
    expect(await json('text.metrics')).toEqual(figures);
  });

  it('refuses a label that the model does not know', async () => {
    await writeFile(path('snow.csv'), 'text,img_path,label\na day,img/1.png,snowy\n');
    const { code, stderr } = await bertresnet(['evaluate', path('run'), path('snow.csv'), ...cpu]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/snowy/);
  });

  it('refuses a folder without a model', async () => {
    const { code, stderr } = await bertresnet(['evaluate', path('img'), path('val.csv'), ...cpu]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/img holds no model; give what --out/);
  });
});

describe('predict', () => {
  const columns = ['id', 'text', 'img_path', 'prediction', 'probability'];

  it('adds predictions to the rows that came in', async () => {
    const out = path('predictions.csv');
    const words = ['predict', path('run'), path('rows.csv'), '--out', out, ...cpu];
    const { code, stdout, stderr } = await bertresnet(words);
    expect(stderr).toContain('without text or picture: 2 rows');
    expect(code).toBe(0);
    expect(stdout).toMatch(/rainy +\d/);
    const rows = await records('predictions.csv');
    expect(Object.keys(rows[0]!)).toEqual([...columns, 'probability_rainy', 'probability_sunny']);
    expect(rows.map(({ id }) => id)).toEqual(['1', "'=2+3", '3', '4', '5']);
    expect(rows[0]!['text']).toBe('a sunny day\nnumber 7');
    expect(rows.map(({ prediction }) => prediction).slice(0, 2)).toEqual(['sunny', 'rainy']);
    for (const row of rows) {
      expect(labels).toContain(row['prediction']);
      const [rainy, sunny] = labels.map((label) => Number(row[`probability_${label}`]));
      expect(rainy! + sunny!).toBeCloseTo(1, 5);
      expect(Number(row['probability'])).toBe(Math.max(rainy!, sunny!));
    }
  });

  it('ignores a column of labels, and replaces earlier predictions', async () => {
    const first = ['predict', path('run'), path('val.csv'), '--out', path('first.csv'), ...cpu];
    await bertresnet(first);
    const again = await bertresnet([
      'predict',
      path('run'),
      path('first.csv'),
      '--out',
      path('again.csv'),
      ...cpu,
    ]);
    expect(again.code).toBe(0);
    expect(await readFile(path('again.csv'), 'utf8')).toBe(
      await readFile(path('first.csv'), 'utf8'),
    );
  });

  it('answers the same whatever the batch', async () => {
    const words = ['predict', path('run'), path('rows.csv'), ...cpu];
    await bertresnet([...words, '--out', path('by1.csv'), '--batch-size', '1']);
    await bertresnet([...words, '--out', path('by5.csv'), '--batch-size', '5']);
    const [one, five] = [await records('by1.csv'), await records('by5.csv')];
    one.forEach((row, i) => {
      expect(Number(row['probability_sunny'])).toBeCloseTo(
        Number(five[i]!['probability_sunny']),
        4,
      );
    });
  });

  it('goes by the policy for bad rows where a picture cannot be read', async () => {
    await mkdir(path('bad', 'img'), { recursive: true });
    await writeFile(path('bad', 'img', '0.png'), 'no picture');
    await cp(path('img', '1.png'), path('bad', 'img', '1.png'));
    await writeFile(
      path('bad', 'rows.csv'),
      'text,image\na rainy day,img/0.png\na sunny day,img/1.png\n',
    );
    const words = [
      'predict',
      path('run'),
      path('bad', 'rows.csv'),
      '--out',
      path('bad.csv'),
      ...cpu,
    ];
    const kept = await bertresnet(words);
    expect(kept.stderr).toContain('1 picture could not be read');
    const [first] = await records('bad.csv');
    await bertresnet([...words.slice(0, 3), '--out', path('text.csv'), '--mode', 'text', ...cpu]);
    const [byText] = await records('text.csv');
    expect(Number(first!['probability'])).toBeCloseTo(Number(byText!['probability']), 5);
    const skipped = await bertresnet([...words, '--bad-rows', 'skip']);
    expect(skipped.code).toBe(0);
    expect((await records('bad.csv')).map(({ prediction }) => prediction)).toEqual(['', 'sunny']);
    const before = await readFile(path('bad.csv'), 'utf8');
    const refused = await bertresnet([...words, '--bad-rows', 'error']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/rows\.csv row 1 .*0\.png/s);
    expect(await readFile(path('bad.csv'), 'utf8')).toBe(before);
  });

  it('leaves a row unanswered that lacks what the mode needs', async () => {
    const words = ['predict', path('run'), path('rows.csv'), '--mode', 'image', ...cpu];
    const { code, stderr } = await bertresnet([...words, '--out', path('image.csv')]);
    expect(code).toBe(0);
    expect(stderr).toContain('1 row could not be answered');
    const answered = (await records('image.csv')).map(({ prediction }) => prediction !== '');
    expect(answered).toEqual([true, true, false, true, true]);
  });

  it('leaves nothing behind where it is interrupted', async () => {
    const words = ['predict', path('run'), path('rows.csv'), '--out', path('cut.csv'), ...cpu];
    const { code, stdout } = await bertresnet(words, { signal: AbortSignal.abort() });
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect((await readdir(workspace.folder)).filter((name) => name.includes('cut'))).toEqual([]);
  });

  it('prints JSON and only that', async () => {
    const words = ['predict', path('run'), path('val.csv'), '--json', ...cpu];
    const { stdout } = await bertresnet(words);
    expect(JSON.parse(stdout)).toMatchObject({
      out: path('run', 'predictions-val.csv'),
      rows: 8,
      leftOut: 0,
    });
  });
});

describe('predict, abstaining', () => {
  const predict = (...words: string[]): Promise<Outcome> =>
    bertresnet(['predict', path('run'), path('rows.csv'), ...words, ...cpu]);

  it.each([
    { threshold: '1', rainy: 1, sunny: 1 },
    { threshold: 'sunny=1', rainy: 0, sunny: 1 },
  ])('marks answers below $threshold', async ({ threshold, ...least }) => {
    const out = path('abstained.csv');
    const { code, stdout, stderr } = await predict('--threshold', threshold, '--out', out);
    expect(code, stderr).toBe(0);
    const rows = await records('abstained.csv');
    expect(Object.keys(rows[0]!).at(-1)).toBe('abstained');
    for (const { prediction, probability, abstained } of rows)
      expect(abstained).toBe(String(Number(probability) < least[prediction as 'sunny']));
    expect(rows.some(({ abstained }) => abstained === 'true')).toBe(true);
    expect(stdout).toMatch(/share +abstained\n/);
    // A prediction without a threshold leaves no mark of an earlier one.
    const again = path('again.csv');
    await bertresnet(['predict', path('run'), out, '--out', again, ...cpu]);
    expect(Object.keys((await records('again.csv'))[0]!)).not.toContain('abstained');
  });

  it('goes by the precision of each label on the validation rows', async () => {
    const { stdout } = await predict(
      '--minimum-precision',
      '0.5',
      '--json',
      '--out',
      path('p.csv'),
    );
    // Of 8 validation rows no threshold is believed, so that all answers are withheld.
    const { predicted, abstained } = JSON.parse(stdout) as Record<string, object>;
    expect(abstained).toEqual(predicted);
  });

  it.each([
    [['--threshold', 'snowy=0.5'], /threshold must name labels of the model .*'snowy'/],
    [['--threshold', '1.5'], /threshold must be a number from 0 to 1, got 1[.]5/],
    [['--threshold', 'sunny'], /--threshold takes a number from 0 to 1, or LABEL=X/],
    [['--minimum-precision', '2'], /--minimum-precision takes a number from 0 to 1/],
  ])('refuses %j', async (words, message) => {
    const { code, stderr } = await predict(...words, '--out', path('refused.csv'));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    await expect(readFile(path('refused.csv'))).rejects.toThrow();
  });
});

describe('export', () => {
  const answers = async (name: string): Promise<number[]> =>
    (await records(name)).map((row) => Number(row['probability_sunny']));

  it('writes an ONNX file that predicts the same', async () => {
    const { code, stdout } = await bertresnet(['export', path('run'), '--format', 'onnx']);
    expect(code).toBe(0);
    expect(stdout).toBe(path('run', 'model.onnx'));
    await bertresnet(['predict', path('run'), path('val.csv'), '--out', path('a.csv'), ...cpu]);
    const words = ['predict', path('run', 'model.onnx'), path('val.csv'), ...cpu];
    expect((await bertresnet(words)).code).toBe(0);
    await rename(path('run', 'predictions-val.csv'), path('b.csv'));
    const [model, exported] = [await answers('a.csv'), await answers('b.csv')];
    exported.forEach((answer, i) => expect(answer).toBeCloseTo(model[i]!, 4));
  });

  it('leaves rows unanswered that lack what the exported mode needs', async () => {
    const out = path('text-only.onnx');
    const words = ['export', path('run', 'model'), '--mode', 'text', '--out', out, '--json'];
    const { stdout } = await bertresnet(words);
    expect(JSON.parse(stdout)).toEqual({ format: 'onnx', mode: 'text', files: [out] });
    const rows = ['predict', out, path('rows.csv'), '--out', path('c.csv'), ...cpu];
    expect((await bertresnet(rows)).stderr).toContain('1 row could not be answered');
    await bertresnet(['predict', path('run'), ...rows.slice(2), '--mode', 'text']);
    expect((await records('c.csv')).map(({ prediction }) => prediction !== '')).toEqual([
      ...[true, true, true, false, true],
    ]);
  });

  it.each([
    [['export', 'IMG'], /img holds no model/],
    [['export', 'RUN', '--format', 'tflite'], /--format is one of onnx; got 'tflite'/],
    [['predict', 'IMG/no.onnx', 'ROWS'], /no\.onnx/],
  ])('refuses %j', async (words, message) => {
    const real = words.map((word) =>
      word.replace('IMG', path('img')).replace('RUN', path('run')).replace('ROWS', path('val.csv')),
    );
    const { code, stderr } = await bertresnet([...real, ...(words[0] === 'predict' ? cpu : [])]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('inspect', () => {
  it('shows what the model is and how it was trained', async () => {
    const { code, stdout } = await bertresnet(['inspect', path('run')]);
    expect(code).toBe(0);
    expect(stdout).toContain('2 labels (rainy, sunny)');
    expect(stdout).toMatch(/hiddenSize +16/);
    expect(stdout).toMatch(/text_encoder +\d/);
    expect(stdout).toMatch(/learningRate/);
    expect(stdout).toMatch(/both +8 /);
  });

  it('prints JSON and only that', async () => {
    const { stdout } = await bertresnet(['inspect', path('run'), '--json']);
    const found = JSON.parse(stdout) as { parameters: Record<string, number>; labels: string[] };
    expect(found.labels).toEqual(['rainy', 'sunny']);
    // Words, positions, types and a norm; a layer.
    expect(found.parameters['text_encoder']).toBe((vocabulary + 32 + 2 + 2) * 16 + layer(16, 32));
  });

  it('reads a saved model on its own', async () => {
    const { stdout } = await bertresnet(['inspect', path('run', 'model'), '--json']);
    expect(JSON.parse(stdout)).not.toHaveProperty('training');
  });
});

describe('what can be looked at', () => {
  it('train calibrates, and leaves a report, answers and a model card', async () => {
    const config = (await json('run', 'model', 'config.json')) as { calibration: { data: string } };
    expect(config.calibration.data).toBe('val.csv');
    const answers = await records('run', 'answers.csv');
    expect(answers.map(({ label }) => label).toSorted()).toEqual([
      ...Array.from({ length: 4 }, () => 'rainy'),
      ...Array.from({ length: 4 }, () => 'sunny'),
    ]);
    const right = answers.filter(({ label, prediction }) => label === prediction).length;
    const metrics = (await json('run', 'metrics.json')) as Figures & Record<string, object>;
    expect(metrics.accuracy).toBe(right / 8);
    expect(metrics['intervals']).toHaveProperty('macroF1.low');
    // The pictures are of few colours and sizes, so each was trained on as well.
    expect(metrics['leakage']).toMatchObject({ rows: 8, sameText: 0, sameImage: 8 });
    const page = await readFile(path('run', 'report.html'), 'utf8');
    expect(page).toContain('bertresnet train');
    expect(page).toContain('Learning curves');
    expect(await readFile(path('run', 'model', 'README.md'), 'utf8')).toContain('model-index:');
  });

  it('lists all rows that were trained on', async () => {
    const leaked = await records('run', 'leakage.csv');
    expect(Object.keys(leaked[0]!)).toEqual([
      ...['row', 'text', 'text_similarity', 'text_trained_on'],
      ...['image', 'image_similarity', 'image_trained_on'],
    ]);
    expect(leaked).toHaveLength(8);
    for (const { row, image, image_trained_on: where } of leaked) {
      expect(row).toMatch(/^val[.]csv row \d/);
      expect(image).toBe('same');
      expect(where).toMatch(/^train[.]csv row \d/);
    }
  });

  it('report makes the page anew, on the validation rows or on others, and changes nothing else', async () => {
    const page = path('run', 'report.html');
    const before = await Promise.all(
      ['metrics.json', 'answers.csv', join('model', 'model.safetensors')].map((name) =>
        readFile(path('run', name)),
      ),
    );
    const made = await readFile(page, 'utf8');
    await rm(page);
    const { code, stderr } = await bertresnet(['report', path('run')]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`report: ${page}`);
    const dated = /\d{4}-\d\d-\d\d \d\d:\d\d UTC/g;
    const again = (await readFile(page, 'utf8')).replace(dated, '');
    expect(again).toBe(made.replace(dated, ''));
    const words = ['report', path('run'), path('lacking.csv'), '--out', path('own.html')];
    words.push('--bad-rows', 'missing', ...cpu);
    await writeFile(path('lacking.csv'), await lackingRows());
    expect((await bertresnet(words)).code).toBe(0);
    expect(await readFile(path('own.html'), 'utf8')).toContain('By what the rows have');
    const after = await Promise.all(
      ['metrics.json', 'answers.csv', join('model', 'model.safetensors')].map((name) =>
        readFile(path('run', name)),
      ),
    );
    expect(after).toEqual(before);
  });

  it.each([
    [['report', 'RUN/model'], /was not trained from the command line.*name a CSV/],
    [['report', 'RUN', '--text-column', 'text'], /--text-column says how CSV is read/],
  ])('report refuses %j', async (words, message) => {
    const { code, stderr } = await bertresnet(words.map((w) => w.replace('RUN', path('run'))));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it('evaluate tells rows that lack an input apart', async () => {
    await writeFile(path('lacking.csv'), await lackingRows());
    const words = ['evaluate', path('run'), path('lacking.csv'), '--bad-rows', 'missing', ...cpu];
    const { stdout, stderr } = await bertresnet(words);
    expect(stdout, stderr).toMatch(
      /By what the rows have:\n.*\n +text only +2 .*\n +image only +2 /,
    );
    const { byPresence } = (await json('run', 'metrics-lacking.json')) as {
      byPresence: Record<string, { rows: number; intervals: { accuracy: { low: number } } }>;
    };
    const counts = Object.entries(byPresence).map(([has, { rows }]) => [has, rows]);
    expect(counts).toEqual([
      ...[
        ['text', 2],
        ['image', 2],
        ['both', 4],
      ],
    ]);
    expect(byPresence['text']!.intervals.accuracy.low).toBeGreaterThanOrEqual(0);
  });

  it('evaluate --calibrate fits temperatures and keeps them in the model', async () => {
    await cp(path('run'), path('raw'), { recursive: true });
    const file = path('raw', 'model', 'config.json');
    const { calibration: _, ...config } = JSON.parse(await readFile(file, 'utf8')) as Record<
      string,
      object
    >;
    await writeFile(file, JSON.stringify(config));
    const refused = [
      'predict',
      path('raw'),
      path('rows.csv'),
      '--minimum-precision',
      '0.9',
      ...cpu,
    ];
    const { code, stderr } = await bertresnet(refused);
    expect(stderr).toMatch(/needs a calibrated model, and this one is not for text, image, both/);
    expect(code).toBe(2);
    const plain = await bertresnet([
      'evaluate',
      path('raw'),
      path('val.csv'),
      '--no-report',
      ...cpu,
    ]);
    expect(plain.stdout).not.toContain('calibrated');
    const words = [
      'evaluate',
      path('raw'),
      path('val.csv'),
      '--calibrate',
      path('train.csv'),
      ...cpu,
    ];
    const said = await bertresnet(words);
    expect(said.stderr).toMatch(/temperature of both: \d.*, of 24 rows/);
    expect(said.stdout).toMatch(/ECE +calibrated\n/);
    expect(await json('raw', 'model', 'config.json')).toHaveProperty(
      'calibration.data',
      'train.csv',
    );
    expect((await json('raw', 'metrics-val.json')) as object).toHaveProperty('calibrated.ece');
  });

  it('compare puts two runs side by side, and tests their difference', async () => {
    await cp(path('run'), path('other'), { recursive: true });
    const words = ['compare', path('run'), path('other'), '--json'];
    const { code, stdout, stderr } = await bertresnet(words);
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as { test: string; mcnemar: object }[];
    expect(found.find(({ test }) => test === 'validation')!.mcnemar).toMatchObject({
      ...{ rows: 8, onlyFirst: 0, onlySecond: 0, pValue: 1, exact: true },
    });
    expect(stderr).toContain(path('compare-run-other.html'));
    const page = await readFile(path('compare-run-other.html'), 'utf8');
    expect(page).toContain('the difference may well be chance');
    expect((await bertresnet(words.slice(0, -1))).stdout).toMatch(/McNemar p\n(.*\n)* +validation/);
  });
});

describe('a run folder that was moved', () => {
  it('evaluates, predicts and is inspected', async () => {
    const moved = path('elsewhere', 'deep', 'run');
    await mkdir(dirname(moved), { recursive: true });
    await cp(path('run'), path('copy'), { recursive: true });
    await rename(path('copy'), moved);
    const { code } = await bertresnet(['evaluate', moved, path('val.csv'), ...cpu]);
    expect(code).toBe(0);
    const figures = JSON.parse(await readFile(join(moved, 'metrics-val.json'), 'utf8')) as Figures;
    expect(await json('run', 'metrics.json')).toMatchObject(figures);
    expect((await bertresnet(['inspect', moved])).code).toBe(0);
  });
});

/** The validation rows, some without their text, some without their picture. */
async function lackingRows(): Promise<string> {
  const lines = (await readFile(path('val.csv'), 'utf8')).trimEnd().split('\n');
  return lines
    .map((line, i) => {
      if (i === 1 || i === 2) return line.replace(/img\/\d+[.]png/, '');
      return i === 3 || i === 4 ? line.replace(/".*"/, '') : line;
    })
    .join('\n');
}

const vocabulary = 31;

/** The parameters of a BERT layer: four square maps, two of the feed-forward, two norms. */
function layer(width: number, inner: number): number {
  return 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width;
}

/** Words without some options and their values. */
function without(words: readonly string[], ...names: string[]): string[] {
  return words.filter((word, i) => !names.includes(word) && !names.includes(words[i - 1] ?? ''));
}
