/** What a worker thread runs that reads pictures: see imagePort.node.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ImageProcessorConfig } from './imageConfig.js';
import { ImageLoader } from './imageLoad.js';
import { answer } from './imageRequest.js';
import type { ImageRequest } from './imageRequest.js';

const loader = new ImageLoader(workerData as ImageProcessorConfig);

async function reply(request: ImageRequest): Promise<void> {
  const answered = await answer(loader, request);
  parentPort!.postMessage(answered.reply, answered.transfer);
}

parentPort!.on('message', (request: ImageRequest) => void reply(request));
