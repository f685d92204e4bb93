// What people look at, loaded when it is asked for.
import { createReport, reportHtml } from 'bertresnet';
import type { BertResNetModel, Dataset } from 'bertresnet';
import type { Split } from '../protocol.js';
import { historyLines, runConfiguration } from './session.js';

/** The page about a trained model, on the rows held back. */
export async function reportPage(
  name: string,
  model: BertResNetModel,
  { train, test }: Readonly<Record<Split, Dataset>>,
): Promise<Blob> {
  const report = await createReport(model, test, {
    title: `${name}: a classifier of text and image`,
    train,
    history: await historyLines(),
    configuration: await runConfiguration(),
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
  });
  return new Blob([reportHtml(report)], { type: 'text/html' });
}
