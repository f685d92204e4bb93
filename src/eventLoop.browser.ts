const waiting: (() => void)[] = [];
let port: MessagePort | undefined;

/**
 * Lets whatever waits on the event loop (painting, clicks, decoded pictures) have its turn: an engine may hold the
 * loop for a whole step. A message comes at once, where a timer would wait some milliseconds.
 */
export function nextTurn(): Promise<void> {
  port ??= openPort();
  return new Promise((resolve) => {
    waiting.push(resolve);
    port!.postMessage(undefined, []);
  });
}

function openPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener('message', () => waiting.shift()!());
  port1.start();
  return port2;
}
