// The page: it starts the worker, asks it to pause, and shows what it says.
import type { News, Order } from './trainer.js';

const train = document.querySelector<HTMLButtonElement>('#train')!;
const pause = document.querySelector<HTMLButtonElement>('#pause')!;
const restart = document.querySelector<HTMLButtonElement>('#restart')!;
const status = document.querySelector<HTMLElement>('#status')!;
const epochs = document.querySelector<HTMLElement>('#epochs')!;
const model = document.querySelector<HTMLAnchorElement>('#model')!;

let worker: Worker | undefined;
const send = (order: Order): void => worker!.postMessage(order, []);

function begin(order: Order): void {
  // In this very form bundlers know that it is a worker.
  worker = new Worker(new URL('./trainer.js', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<News>) => show(data));
  worker.addEventListener('error', ({ message }) => end(message));
  epochs.replaceChildren();
  model.hidden = true;
  setRunning(true);
  send(order);
}

function show(news: News): void {
  if (news.kind === 'step') {
    status.textContent = `step ${news.step}: loss ${news.loss?.toFixed(6)}`;
  } else if (news.kind === 'epoch') {
    const line = document.createElement('li');
    line.textContent = `loss ${news.loss.toFixed(6)}, accuracy ${news.accuracy?.toFixed(2)}`;
    epochs.append(line);
  } else if (news.kind === 'done') {
    model.href = URL.createObjectURL(news.model);
    model.hidden = false;
    end(`Done: accuracy ${news.accuracy.toFixed(2)} on rows that were held back.`);
  } else {
    end(news.why);
  }
}

function end(why: string): void {
  worker?.terminate();
  status.textContent = why;
  setRunning(false);
}

function setRunning(running: boolean): void {
  train.disabled = running;
  restart.disabled = running;
  pause.disabled = !running;
}

train.addEventListener('click', () => begin('train'));
restart.addEventListener('click', () => begin('start over'));
pause.addEventListener('click', () => send('pause'));
