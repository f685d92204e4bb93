import { defaultCache } from './download.browser.js';
import type { PretrainedOptions } from './hub.js';
import { checkToken } from './hubSettings.js';
import type { HubSettings } from './hubSettings.js';

/** What the options say of the hub. @throws InputError for a token that cannot be one */
export function hubSettings(
  id: string,
  { token, cacheDir = defaultCache, fetch, hubUrl }: PretrainedOptions,
): HubSettings {
  return {
    cacheDir,
    access: { accessToken: checkToken(token, "given as 'token'"), hubUrl, fetch },
    otherwise: `open the page once with a network, or serve the model's files beside it and pass './${id}/'`,
  };
}
