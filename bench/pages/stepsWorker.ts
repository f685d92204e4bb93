import type { BackendName } from '../../src/backends/select.js';
import { messageOf } from '../../src/errors.js';
import { train } from './steps.js';

addEventListener('message', ({ data }: MessageEvent<[BackendName, number]>) => {
  const tell = postMessage as (told: { step: number } | { error: string }) => void;
  void train(...data).then(
    (step) => tell({ step }),
    (error: unknown) => tell({ error: messageOf(error) }),
  );
});
