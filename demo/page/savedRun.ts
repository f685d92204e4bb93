// The run of an earlier visit: gone on with, or forgotten.
import type { Engine, SavedRun } from '../protocol.js';
import type { OpenSaved } from './dataStep.js';
import { byId, h } from './dom.js';
import { counted } from './format.js';
import { chooseSetup } from './modelStep.js';
import { state, watch } from './store.js';
import { startRun } from './trainStep.js';

/** Offers to go on with the run of an earlier visit, where there is one. */
export async function offerSavedRun(engine: Engine, openSaved: OpenSaved): Promise<void> {
  const saved = await engine.savedRun();
  if (saved === null || state().data !== undefined) return;
  const banner = byId('saved');
  const goOn = h(
    'button',
    { type: 'button', class: 'primary', id: 'go-on' },
    isDone(saved) ? 'Bring it back' : 'Go on with it',
  );
  const forget = h('button', { type: 'button', id: 'forget' }, 'Forget it');
  goOn.addEventListener('click', () => {
    banner.hidden = true;
    void resume(engine, openSaved, saved);
  });
  forget.addEventListener('click', () => {
    banner.hidden = true;
    void engine.forget().catch((error: unknown) => console.warn(error));
    byId('data').focus();
  });
  banner.replaceChildren(
    h('div', { class: 'card saved' }, [
      h('p', {}, sentence(saved)),
      h('div', { class: 'buttons' }, [goOn, forget]),
    ]),
  );
  banner.hidden = false;
  // Other rows begin a new run.
  watch(({ data }) => {
    if (data !== undefined) banner.hidden = true;
  });
}

async function resume(engine: Engine, openSaved: OpenSaved, saved: SavedRun): Promise<void> {
  if (!(await openSaved())) return;
  chooseSetup(saved.setup);
  byId('train').focus();
  await startRun(engine, true);
}

const isDone = ({ epochs, setup }: SavedRun): boolean => epochs >= setup.epochs;

function sentence(saved: SavedRun): string {
  const { name, epochs, setup } = saved;
  if (isDone(saved)) return `A model trained on ${name} in an earlier visit is still here.`;
  return `A training on ${name} was left after ${counted(epochs, 'pass', 'passes')} of ${setup.epochs}. It goes on exactly where it was last saved.`;
}
