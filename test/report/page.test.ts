import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { parse as parseYaml } from 'yaml';
import { findChromium, launchChromium } from '../../scripts/browser/chromium.js';
import { useBackend } from '../../src/backends/select.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { calibrate } from '../../src/evaluation/calibrate.js';
import { modelCard } from '../../src/modelCard.js';
import { answerTable } from '../../src/report/answerTable.js';
import { compareAnswers } from '../../src/report/compare.js';
import type { ComparedRun } from '../../src/report/compare.js';
import { compareHtml } from '../../src/report/comparison.js';
import { createReport } from '../../src/report/createReport.js';
import { reportHtml } from '../../src/report/report.js';
import type { ReportData } from '../../src/report/reportData.js';
import { answerRows } from '../../src/training/evaluate.js';
import type { EpochRecord, StepRecord } from '../../src/training/records.js';
import { Trainer } from '../../src/training/trainer.js';
import { tinyModel, tinyRows } from '../training/tiny.js';
import { accessibilityFaults } from './axe.js';

const attack = '<script>alert(1)</script><img src=x onerror="alert(2)">';
const labels = ['cold', '<b>mild</b>', 'warm "&\''];
const names = ['cold', 'mild', 'warm'];

/** Rows that try to break out of the page, some without a part, half of them with a wrong label. */
function hostileRows() {
  return tinyRows(40, 5).map(({ text, image, label }, i) => {
    const truth = (names.indexOf(label!) + (i % 2)) % 3;
    return {
      ...(i % 5 === 1 ? {} : { text: `${text} ${attack}` }),
      ...(i % 5 === 2 ? {} : { image }),
      label: labels[truth]!,
    };
  });
}

/** An epoch that ignores an input, so that the page says it. */
function withIgnored(record: StepRecord | EpochRecord): StepRecord | EpochRecord {
  if (record.kind === 'step') return record;
  return { ...record, reliance: { ...record.reliance!, ignored: 'image' } };
}

let report: ReportData;
let compared: [ComparedRun, ComparedRun];
let card: string;

beforeAll(async () => {
  await useBackend('cpu');
  const model = await tinyModel({ labels });
  const relabelled = tinyRows(24, 7).map((row) => ({
    ...row,
    label: labels[names.indexOf(row.label!)]!,
  }));
  const train = datasetFrom(relabelled, { labels, name: `/some/folder/train ${attack}.csv` });
  const history: (StepRecord | EpochRecord)[] = [];
  const trainer = new Trainer(model, {
    ...{ epochs: 3, batchSize: 8, learningRate: 0.02 },
    onStep: (record) => void history.push(record),
    onEpoch: (record) => void history.push(record),
    onWarning: () => {},
  });
  const test = datasetFrom(hostileRows(), { labels, name: '/some/folder/test.csv' });
  await trainer.fit(train, { validation: test });
  const answers = await answerRows(model, test);
  await calibrate(model, answers);
  report = await createReport(model, test, {
    ...{ train, history: history.map(withIgnored), answers },
    title: `Run ${attack}`,
    command: `bertresnet train ${attack}`,
    configuration: { training: { [attack]: attack, epochs: 3 } },
  });
  card = modelCard(model, report);
  const records = await answerTable(answers, test);
  const turned = records.map((one, i) => (i < 9 ? { ...one, prediction: one.label } : one));
  const named = (name: string, own: typeof records, epochs: number): ComparedRun => ({
    ...{ name, history, configuration: { training: { epochs } } },
    tests: { test: { figures: report.test!.figures, answers: own } },
  });
  compared = [named('a', records, 1), named(attack, turned, 2)];
  model.dispose();
});

describe('a report', () => {
  it('escapes all that comes from outside, and names no folder of this machine', () => {
    for (const page of [reportHtml(report), compareHtml(...compared)]) {
      expect(page).not.toMatch(/<script|<img src=x|<b>mild/);
      expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
      expect(page).not.toContain('/some/folder');
    }
  });

  it('needs nothing else, and is small', () => {
    const page = reportHtml(report);
    expect(page).not.toMatch(/(src|href)="(?!#|data:image\/)/);
    expect(page).not.toContain('url(');
    expect(page.length).toBeLessThan(2e6);
    expect(report.test!.mistakes.length).toBeLessThanOrEqual(12);
    expect(page).toContain('src="data:image/jpeg;base64,');
  });

  it('says what was found', () => {
    const page = reportHtml(report);
    const { figures, presenceIntervals } = report.test!;
    expect(page).toContain('The picture is ignored:');
    const present = Object.entries(figures.byPresence!);
    expect(page).toContain(`${(100 * figures.accuracy).toFixed(1)}%`);
    expect(present.map(([has, { rows }]) => [has, rows])).toEqual([
      ['text', 8],
      ['image', 8],
      ['both', 24],
    ]);
    for (const [has, { accuracy }] of present) {
      const { low, high } = presenceIntervals[has as 'both']!;
      expect(low <= accuracy && accuracy <= high).toBe(true);
      const name = { text: 'a text only', image: 'a picture only', both: 'both' }[has];
      expect(page).toMatch(
        new RegExp(`>${name}</th>[^]*?>${(100 * accuracy).toFixed(1).replace('.', '[.]')}%<`),
      );
    }
    const sure = report.test!.mistakes.map(({ probability }) => probability);
    expect(sure).toEqual(sure.toSorted((a, b) => b - a));
    expect(report.test!.mistakes.every(({ label, prediction }) => label !== prediction)).toBe(true);
    expect(reportHtml(JSON.parse(JSON.stringify(report)) as ReportData)).toBe(page);
  });

  it('has no part for what is not there', () => {
    const page = reportHtml({ title: 'Empty', labels: ['a', 'b'] });
    expect(page).toContain('<h1>Empty</h1>');
    expect(page).not.toContain('<section');
  });
});

describe('a comparison', () => {
  it('pairs rows by their content, whatever their order', () => {
    const [a, b] = compared.map(({ tests }) => tests['test']!.answers!) as [never[], never[]];
    const found = compareAnswers(a, (b as { key: string }[]).toReversed() as never)!;
    expect(found).toMatchObject({ rows: 40, onlyFirst: 0, exact: true });
    expect(found.accuracy[1] - found.accuracy[0]).toBeCloseTo(found.onlySecond / 40, 12);
    expect(found.onlySecond).toBeGreaterThan(0);
    expect(found.alone).toEqual([0, 0]);
    expect(compareAnswers(a.slice(5), b.slice(0, 10))).toMatchObject({ rows: 5, alone: [30, 5] });
    expect(compareAnswers(a, [])).toBeUndefined();
  });
});

describe("a comparison's page", () => {
  it('has a table for each mode, for what rows have and for the labels', () => {
    const page = compareHtml(...compared);
    const captions = [...page.matchAll(/<p class="caption">([^<]*)</g)].map(
      ([, caption]) => caption,
    );
    expect(captions.slice(0, 5)).toEqual([
      ...['From text and image', 'From image alone', 'From text alone'],
      ...['Accuracy by what the rows have', 'F1 of each label'],
    ]);
    // Each stands in a cell of the grid with its caption.
    expect(page.match(/<div>\s*<p class="caption">/g)).toHaveLength(5);
  });
});

describe('a model card', () => {
  it('has the figures where the Hub looks for them', () => {
    const [, front] = card.split('---\n');
    const yaml = parseYaml(front!) as Record<string, never>;
    const { figures } = report.test!;
    expect(yaml).toMatchObject({
      library_name: 'bertresnet',
      'model-index': [
        {
          name: `Run ${attack}`,
          results: [
            {
              task: { type: 'text-classification' },
              dataset: { type: 'csv', name: 'test.csv' },
              metrics: [
                { type: 'accuracy', value: Number(figures.accuracy.toFixed(4)) },
                { type: 'f1', value: Number(figures.macroF1.toFixed(4)) },
                { type: 'f1' },
                { type: 'log_loss' },
                { type: 'expected_calibration_error' },
              ],
            },
          ],
        },
      ],
    });
  });

  it('says on what it rests and what it does not say', () => {
    for (const title of ['Figures', 'Calibration', 'Limits']) expect(card).toContain(`## ${title}`);
    expect(card).toContain('Fewer than 30 rows were tested');
    expect(card).toContain('also chose the best epoch');
  });
});

describe.skipIf(findChromium() === undefined)('in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  async function open(html: string, width: number, scheme: 'light' | 'dark'): Promise<Page> {
    const context = await browser.newContext({
      ...{ viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP: true },
    });
    const page = await context.newPage();
    await page.setContent(html);
    return page;
  }

  for (const [width, scheme] of [
    [1280, 'light'],
    [390, 'dark'],
    [390, 'light'],
    [1280, 'dark'],
  ] as const) {
    it(`is accessible and fits: ${width} pixels, ${scheme}`, async () => {
      for (const html of [reportHtml(report), compareHtml(...compared)]) {
        const page = await open(html, width, scheme);
        const dialogs: string[] = [];
        page.on('dialog', (dialog) => dialogs.push(dialog.message()));
        for (const details of await page.locator('details').all())
          await details.evaluate((element) => element.setAttribute('open', ''));
        // Where a share is all there is, the ground is darkest.
        for (const cell of await page.locator('.matrix td.right').all())
          await cell.evaluate((element) => element.style.setProperty('--share', '1'));
        expect(await accessibilityFaults(page)).toEqual([]);
        expect(dialogs).toEqual([]);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(wide).toBeLessThanOrEqual(width);
        await page.context().close();
      }
    });
  }
});
