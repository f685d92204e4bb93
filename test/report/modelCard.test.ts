import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { useBackend } from '../../src/backends/select.js';
import type { Mode } from '../../src/fusion/fusion.js';
import type { BertResNetModel } from '../../src/model.js';
import { modelCard } from '../../src/modelCard.js';
import type { ReportData, ReportedLeakage, TestedRows } from '../../src/report/reportData.js';
import { classificationReport } from '../../src/training/metrics.js';
import { tinyModel } from '../training/tiny.js';

const labels = ['cold', 'mild', 'warm'];
let model: BertResNetModel;
beforeAll(async () => {
  await useBackend('cpu');
  model = await tinyModel({ labels });
});
afterAll(() => model.dispose());

/** Of a test in a mode. */
function tested(mode: Mode): TestedRows {
  const one = {
    ...classificationReport([0, 1, 2], [1, 0, 0, 0, 1, 0, 0, 0, 1], labels),
    missing: {},
  };
  return {
    ...{ name: 'new|rows.csv', rows: 1234, majority: { label: 'cold', share: 1 / 3 } },
    figures: { ...one, mode, modes: { [mode]: one } },
    ...{ intervals: {}, presenceIntervals: {}, reliability: { plain: [] } },
    ...{ temperatures: {}, coverage: [], mistakes: [] },
  };
}

function leakage(rows: number): ReportedLeakage {
  return {
    ...{ train: { name: 'train.csv', rows: 2000 }, test: { name: 'new.csv', rows: 1234 } },
    counts: { sameText: rows, nearText: 0, sameImage: 0, nearImage: 0, rows },
    ...{ unreadable: 0, rows: [] },
  };
}

const configuration = {
  train: { name: '/home/somebody/train.csv', size: 2000 },
  validation: { name: 'C:\\somebody\\val.csv', size: 200 },
};

/** The text under a heading, without it; undefined where it is not there. */
function section(card: string, title: string): string | undefined {
  return card.split(`\n## ${title}\n\n`)[1]?.split('\n\n## ')[0]!.trim();
}

const cardOf = (report?: Partial<ReportData>): string =>
  modelCard(model, report && { title: 'run', labels, ...report });

describe("a model card's data", () => {
  it('are the files without their folders, with their rows, and how many were trained on', () => {
    const card = cardOf({ configuration, test: tested('both'), leakage: leakage(1100) });
    expect(section(card, 'Data')!.split('\n')).toEqual([
      '| | file | rows |',
      '|---|---|---|',
      '| training | `train.csv` | 2,000 |',
      '| validation | `val.csv` | 200 |',
      '| tested here | `new\\|rows.csv` | 1,234 |',
      '',
      '1,100 of the tested rows have a text or a picture that was trained on, or nearly so.',
    ]);
    expect(card).not.toContain('somebody');
    expect(section(card, 'Limits')).toContain('Some tested rows were trained on, see Data');
  });

  it('say that no row leaked, where that was looked for', () => {
    const looked = cardOf({ configuration, test: tested('both'), leakage: leakage(0) });
    expect(section(looked, 'Data')).toMatch(/\n\nNo row that was tested has a text or a picture/);
    expect(section(looked, 'Limits')).not.toContain('trained on');
    const unsought = cardOf({ configuration, test: tested('both') });
    expect(section(unsought, 'Data')).not.toContain('trained on');
  });

  it('are left out as far as they are not known', () => {
    expect(section(cardOf({ configuration: { train: { name: 'a.csv', size: 3 } } }), 'Data')).toBe(
      '| | file | rows |\n|---|---|---|\n| training | `a.csv` | 3 |',
    );
    expect(section(cardOf({}), 'Data')).toBeUndefined();
    expect(section(cardOf(), 'Data')).toBeUndefined();
  });
});

describe("a model card's task", () => {
  it.each([
    ['text', 'text-classification', 'text-classification'],
    ['image', 'image-classification', 'image-classification'],
    ['both', undefined, 'text-classification'], // the Hub has no task of text and picture together
  ] as const)('of %s is one that the Hub knows', (mode, tag, type) => {
    const [, front] = cardOf({ test: tested(mode) }).split('---\n');
    const yaml = parseYaml(front!) as {
      pipeline_tag?: string;
      'model-index': [{ results: [{ task: { type: string } }] }];
    };
    expect(yaml.pipeline_tag).toBe(tag);
    expect(yaml['model-index'][0].results[0].task.type).toBe(type);
  });

  it('is not said where nothing was tested', () => {
    const [, front] = cardOf().split('---\n');
    expect(parseYaml(front!)).toEqual({
      library_name: 'bertresnet',
      tags: ['bert', 'resnet', 'multimodal', 'text', 'image', 'classification'],
    });
  });
});
