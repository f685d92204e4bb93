import type { HubAccess } from './hubSettings.js';

/** The address of a file of a commit. */
export function fileAddress(
  { id, access }: { id: string; access: HubAccess },
  commit: string,
  name: string,
): string {
  const path = name.split('/').map(encodeURIComponent).join('/');
  return new URL(`${id}/resolve/${commit}/${path}`, hubAddress(access)).href;
}

/** What a request to the hub carries; the browser does not pass it on to where the hub sends it. */
export function authorization({ accessToken }: HubAccess): Record<string, string> {
  return accessToken === undefined ? {} : { Authorization: `Bearer ${accessToken}` };
}

/** The hub, to whose address paths are relative. */
export function hubAddress({ hubUrl = 'https://huggingface.co' }: HubAccess): URL {
  return new URL(hubUrl.endsWith('/') ? hubUrl : `${hubUrl}/`, location.href);
}
