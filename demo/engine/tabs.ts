// Tabs of one browser keep what they keep in one place.

/** Milliseconds in which a tab that was closed, or loaded again, lets go of what it held. */
const patience = 3_000;
const training = 'bertresnet-demo: training';

/** What is said in the second tab. */
const refusal =
  'Another tab of this browser is training, and both would keep their run in the same place. ' +
  'Wait until it is done, or end it there; then start again here.';

/** Does something that no other tab does meanwhile. @throws Error where another one trains */
export async function asOnlyTab<T>(work: () => Promise<T>): Promise<T> {
  const refused = new AbortController();
  const timer = setTimeout(() => refused.abort(new Error(refusal)), patience);
  return navigator.locks.request(training, { signal: refused.signal }, () => {
    clearTimeout(timer);
    return work();
  }) as Promise<T>;
}

/** Whether a tab trains, this one included. */
export async function someTabTrains(): Promise<boolean> {
  const { held } = await navigator.locks.query();
  return held?.some(({ name }) => name === training) ?? false;
}

/** Does something after what other tabs do under this name. */
export async function inTurnOfTabs<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks.request(`bertresnet-demo: ${name}`, work) as Promise<T>;
}
