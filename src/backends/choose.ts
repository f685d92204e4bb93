import { InputError } from '../errors.js';
import type { BackendName, BackendNeeds, Preference } from './preference.js';
import { preferences } from './preference.node.js';
import { BackendUnavailableError } from './unavailable.js';

/** A backend that `auto` did not take. */
export interface PassedOver {
  readonly name: BackendName;
  readonly why: string;
  /** Whether it was there, and was to be taken, but did not start. */
  readonly failed: boolean;
}

/** What `auto` came to. */
export interface BackendChoice {
  readonly name: BackendName;
  /** What it has that speaks for it. */
  readonly why: string;
  /** Those that would have been better, the best first, and what speaks against each. */
  readonly passedOver: readonly PassedOver[];
  /** What would be faster, and how to get it; empty where nothing is known that would be. */
  readonly faster: readonly string[];
}

/**
 * Takes the first backend that is there and suits the needs.
 *
 * @param use loads a backend and puts it in use.
 * @throws InputError where there is none, with the reason for each; what `use` throws, if it is no
 *   BackendUnavailableError.
 */
export async function chooseBackend(
  use: (name: BackendName) => Promise<BackendName>,
  needs: BackendNeeds = {},
  among: readonly Preference[] = preferences,
): Promise<BackendChoice> {
  const passedOver: PassedOver[] = [];
  const faster: string[] = [];
  for (const preference of among) {
    const { name, why, remedy } = preference;
    const against = await objection(preference, use, needs);
    if (against === undefined) return { name, why, passedOver, faster };
    passedOver.push({ name, ...against });
    const advice = remedy?.();
    if (advice !== undefined) faster.push(advice);
  }
  const reasons = passedOver.map(({ name, why }) => `${name}: ${why}`);
  throw new InputError(`useBackend: no backend can run here: ${reasons.join('; ')}`);
}

async function objection(
  { name, refuse, refuseLoaded }: Preference,
  use: (name: BackendName) => Promise<BackendName>,
  needs: BackendNeeds,
): Promise<Omit<PassedOver, 'name'> | undefined> {
  const against = await refuse?.(needs);
  if (against !== undefined) return { why: against, failed: false };
  try {
    await use(name);
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) throw error;
    return { why: error.reason, failed: true };
  }
  const late = refuseLoaded?.(needs);
  return late === undefined ? undefined : { why: late, failed: false };
}

/** What is said where a backend was there and did not start, so that another computes. */
export function failureAdvice({ name, passedOver }: BackendChoice): string | undefined {
  const failed = passedOver.filter((one) => one.failed);
  if (failed.length === 0) return undefined;
  const reasons = new Set(failed.map((one) => `${one.name} did not start (${one.why})`));
  return `useBackend: ${[...reasons].join('; ')}; computing on ${name} instead`;
}
