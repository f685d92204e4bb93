import { InputError, messageOf } from '../errors.js';
import type { BackendName, BackendNeeds, Preference } from './preference.js';
import { preferences } from './preference.node.js';

/** What `auto` came to. */
export interface BackendChoice {
  readonly name: BackendName;
  /** What it has that speaks for it. */
  readonly why: string;
  /** Those that would have been better, the best first, and what speaks against each. */
  readonly passedOver: readonly { readonly name: BackendName; readonly why: string }[];
  /** What would be faster, and how to get it; empty where nothing is known that would be. */
  readonly faster: readonly string[];
}

/**
 * Takes the first backend that is there and suits the needs.
 *
 * @param use loads a backend and puts it in use.
 * @throws InputError where there is none, with the reason for each.
 */
export async function chooseBackend(
  use: (name: BackendName) => Promise<BackendName>,
  needs: BackendNeeds = {},
  among: readonly Preference[] = preferences,
): Promise<BackendChoice> {
  const passedOver: { name: BackendName; why: string }[] = [];
  const faster: string[] = [];
  for (const preference of among) {
    const { name, why, remedy } = preference;
    const against = await objection(preference, use, needs);
    if (against === undefined) return { name, why, passedOver, faster };
    passedOver.push({ name, why: against });
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
): Promise<string | undefined> {
  const against = await refuse?.(needs);
  if (against !== undefined) return against;
  try {
    await use(name);
  } catch (error) {
    return messageOf(error);
  }
  return refuseLoaded?.(needs);
}
