import type { Engine, News } from '../protocol.js';
import { startEngine } from './client.js';
import { dataStep } from './dataStep.js';
import type { OpenSaved } from './dataStep.js';
import { byId, setText } from './dom.js';
import { modelStep } from './modelStep.js';
import { installServiceWorker, keepFiles } from './offline.js';
import { offerSavedRun } from './savedRun.js';
import { stepsNav } from './stepsNav.js';
import { change, messageOf, state, watch } from './store.js';
import { takeStep } from './takeStep.js';
import { trainStep } from './trainStep.js';
import { tryStep } from './tryStep.js';

function hear(news: News): void {
  const { steps, epochs, phase } = state();
  if (news.kind === 'step') {
    change({ steps: [...steps, news], phase: phase === 'preparing' ? 'training' : phase });
  } else if (news.kind === 'epoch') {
    change({ epochs: [...epochs, news] });
  } else {
    const text = `${news.what}: ${Math.floor((100 * news.done) / Math.max(1, news.total))}%`;
    const reading = document.getElementById('reading');
    if (reading !== null) setText(reading, text);
    change({ preparing: text });
  }
}

async function start(engine: Engine, openSaved: OpenSaved): Promise<void> {
  try {
    const device = await engine.start();
    change({ device });
    await offerSavedRun(engine, openSaved);
    if (await keepFiles(device.files)) setText(byId('offline'), 'Ready to work offline');
  } catch (error) {
    change({ deviceProblem: messageOf(error) });
  }
}

await installServiceWorker();
const engine = startEngine(hear);
watch(({ device, deviceProblem }) => {
  byId('device').dataset['is'] = device ? 'ready' : deviceProblem ? 'failed' : 'starting';
  setText(byId('device-name'), device?.name ?? deviceProblem ?? 'Starting the engine');
});
const openSaved = dataStep(engine);
modelStep(engine);
trainStep(engine);
tryStep(engine);
takeStep(engine);
stepsNav();
await start(engine, openSaved);
