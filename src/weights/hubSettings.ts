import { InputError } from '../errors.js';

/** How the hub is spoken to. */
export interface HubAccess {
  readonly accessToken?: string;
  readonly hubUrl?: string;
  readonly fetch?: typeof fetch;
}

/** What this platform says about the hub. */
export interface HubSettings {
  /** The folder of the cache. */
  readonly cacheDir: string;
  readonly access: HubAccess;
  /** The setting by which the hub is not to be asked. */
  readonly offline?: string;
  /** How to have a model without the hub. */
  readonly otherwise: string;
}

/** @throws InputError for a token that cannot be one */
export function checkToken(token: string | undefined, from: string): string | undefined {
  if (token === undefined || token.startsWith('hf_')) return token;
  throw new InputError(`pretrained: the access token ${from} must begin with 'hf_', and does not`);
}
