import type { EpochRecord, StepRecord } from '../training/records.js';
import type { Reliance } from '../training/reliance.js';
import { keptEpoch } from './curves.js';
import { count, percent, plural } from './figures.js';
import { html } from './html.js';
import type { Html } from './html.js';

/** How much the answers of the epoch that was kept rest on each input; nothing where that was not measured. */
export function reliance(history: readonly (StepRecord | EpochRecord)[]): Html | false {
  const kept = keptEpoch(history);
  if (kept?.reliance === undefined) return false;
  const { text, image, rows, ignored } = kept.reliance;
  const changed = (share: number): string =>
    `${count(Math.round(share * rows))} (${percent(share)})`;
  return html`${ignored && notice(ignored)}
    <p>
      What the answers rest on, after epoch ${kept.epoch}: of ${plural(rows, 'validation row')} that
      have both, ${changed(text)} are answered otherwise when the text is another row’s, and
      ${changed(image)} when the picture is another row’s.
    </p>`;
}

function notice(ignored: NonNullable<Reliance['ignored']>): Html {
  const [name, other] = ignored === 'text' ? ['text', 'picture'] : ['picture', 'text'];
  return html`<p class="note">
    <strong>The ${name} is ignored:</strong> answers from both rest on the ${other} almost alone.
    What helps: <code>auxiliary</code>, <code>gradientModulation</code>,
    <code>modalityDropout</code>, or the fusion <code>late</code>.
  </p>`;
}
