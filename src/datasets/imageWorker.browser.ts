/** What a Worker runs that reads pictures: see imagePort.browser.ts. */
import type { ImageProcessorConfig } from './imageConfig.js';
import { ImageLoader } from './imageLoad.js';
import { answer } from './imageRequest.js';
import type { ImageRequest } from './imageRequest.js';

/** The parts of a worker's scope that are used: this project's types are a page's. */
interface Scope {
  addEventListener(
    type: 'message',
    listener: (event: MessageEvent<ImageProcessorConfig | ImageRequest>) => void,
  ): void;
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
}

const scope = globalThis as unknown as Scope;
let loader: ImageLoader | undefined;

/** The first message is how pictures are read. */
async function receive(message: ImageProcessorConfig | ImageRequest): Promise<void> {
  if (loader === undefined) {
    loader = new ImageLoader(message as ImageProcessorConfig);
    return;
  }
  const { reply, transfer } = await answer(loader, message as ImageRequest);
  scope.postMessage(reply, transfer);
}

scope.addEventListener('message', ({ data }) => void receive(data));
scope.postMessage('started', []);
