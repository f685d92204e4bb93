import { configuration } from './configuration.js';
import { learningCurves } from './curves.js';
import { count } from './figures.js';
import { html } from './html.js';
import { page } from './page.js';
import type { ReportData } from './reportData.js';
import { calibration, classes, leakage, mistakes, modalities, summary } from './sections.js';

/**
 * A report as one page of HTML that needs nothing else: figures, learning curves, confusions, reliability, the
 * surest mistakes, leakage, the configuration. It has no script, and what is shown of the data is escaped.
 */
export function reportHtml(data: ReportData): string {
  const { title, labels, date, test, history = [], configuration: config, command } = data;
  const about = [
    test && `${count(test.rows)} rows of ${test.name}`,
    `${count(labels.length)} labels`,
    date,
  ];
  const lead = html`<p class="quiet">${about.filter(Boolean).join(' · ')}</p>`;
  return page(title, lead, [
    test && summary(test, data.leakage),
    history.length > 0 ? learningCurves(history) : undefined,
    test && classes(test, labels),
    test && modalities(test, history),
    test && calibration(test),
    test && test.mistakes.length > 0 ? mistakes(test.mistakes) : undefined,
    data.leakage && leakage(data.leakage),
    configuration(config, command),
  ]);
}
