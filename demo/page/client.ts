import type { Engine, Message, News } from '../protocol.js';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** The engine, in a worker of its own, as an object whose methods are its calls. */
export function startEngine(onNews: (news: News) => void): Engine {
  const worker = new Worker('engine.js', { type: 'module', name: 'engine' });
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  worker.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if ('news' in data) return onNews(data.news);
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ('error' in data) call?.reject(new Error(data.error));
    else call?.resolve(data.result);
  });
  worker.addEventListener('error', ({ message }) => {
    const error = new Error(`The engine stopped: ${message || 'it could not be loaded'}.`);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  });
  const call =
    (name: string) =>
    (...args: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const id = calls++;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, name, args }, []);
      });
  return new Proxy({} as Engine, { get: (_, name) => call(String(name)) });
}
