import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PretrainedOptions } from './hub.js';
import { checkToken } from './hubSettings.js';
import type { HubSettings } from './hubSettings.js';

const offlineSettings = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'] as const;

/** What the environment says of the hub, and the options before it. @throws InputError for a token that cannot be one */
export function hubSettings(
  id: string,
  { token, cacheDir, fetch, hubUrl }: PretrainedOptions,
): HubSettings {
  const from = token === undefined ? 'of HF_TOKEN' : "given as 'token'";
  return {
    cacheDir: cacheDir ?? defaultCache(),
    access: {
      accessToken: checkToken(token ?? (process.env['HF_TOKEN'] || undefined), from),
      hubUrl: hubUrl ?? (process.env['HF_ENDPOINT'] || undefined),
      fetch,
    },
    offline: offlineSettings.find((name) => isTrue(process.env[name])),
    otherwise:
      `run once with a network (\`hf download ${id}\` does too), or give the path of a folder that ` +
      'holds the model',
  };
}

/** The folder that Hugging Face's tools share, as huggingface_hub finds it. */
function defaultCache(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home, 'hub');
}

function isTrue(value: string | undefined): boolean {
  return ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase());
}
