// The engine's end of the protocol.
import { messageOf } from 'bertresnet';
import type { Call, Message, News } from '../protocol.js';
import { TabEngine } from './tabEngine.js';

const post = (message: Message): void => postMessage(message);
const engine = new TabEngine((news: News) => post({ news }));

addEventListener('message', ({ data }: MessageEvent<Call>) => void answer(data));

async function answer({ id, name, args }: Call): Promise<void> {
  try {
    const method = engine[name] as (...args: unknown[]) => Promise<unknown>;
    post({ id, result: await method.apply(engine, args) });
  } catch (error) {
    post({ id, error: messageOf(error) });
  }
}
