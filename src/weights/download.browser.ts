import { InputError } from '../errors.js';
import { sha256 } from '../files/hash.browser.js';
import { hex } from '../files/hash.js';
import { locked } from '../files/locks.browser.js';
import { isNamed } from '../files/opfs.browser.js';
import { pieces as piecesOf } from '../files/opfsWrite.browser.js';
import type { Pieces } from '../files/pieces.browser.js';
import type { DownloadProgress } from './hub.js';
import { KeptFile } from './keptFile.browser.js';
import type { PartialFile, Version, WholeFile } from './keptFile.browser.js';
import { isRefusal } from './refusal.js';
import { reasonOf } from './source.js';

/** The folder of the private file system that keeps what was fetched, unless another is named. */
export const defaultCache = '.cache/bertresnet/weights';

/** A file that is to be fetched. */
export interface Download {
  readonly url: string;
  /** The folder of the private file system that keeps it; undefined: it is held in memory. */
  readonly folder: string | undefined;
  /** What errors and progress call it. */
  readonly name: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** What the address always answers, where that is known; else it is asked each time. */
  readonly expected?: Version & { readonly size: number; readonly sha256?: string };
}

/** An address answered that this will not do. */
export class HttpError extends Error {
  constructor(
    readonly statusCode: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Fetches a file, or what has changed or is missing of one that is kept; where the address cannot be reached, what is
 * kept will do. An interruption leaves what has come, and the next call goes on behind it (RFC 9110, section 14).
 *
 * @returns undefined where there is no such file
 * @throws InputError where it does not fit into the browser's storage; HttpError and Error where it cannot be had whole
 */
export function download(what: Download): Promise<Blob | undefined> {
  return withKept(what, (kept) => bring(what, kept));
}

/** Whether there is such a file: as `download`, but that it is not fetched. */
export function exists(what: Download): Promise<boolean> {
  return withKept(what, async (kept) => {
    const answer = await ask(what, kept, conditionOf(what, kept.whole));
    if (answer !== 'kept') {
      await answer.body?.cancel();
      await kept.setAbsent(isAbsent(what, answer));
    }
    return !kept.absent;
  });
}

/** Of two pages that want a file, one fetches it. */
async function withKept<T>(
  { url, folder, name }: Download,
  run: (kept: KeptFile) => Promise<T>,
): Promise<T> {
  const open = async (): Promise<T> => run(await KeptFile.open(url, folder));
  try {
    return await (folder === undefined ? open() : locked(folder, open));
  } catch (error) {
    if (!(error instanceof InputError && isNamed(error.cause, 'QuotaExceededError'))) throw error;
    throw new InputError(`pretrained: ${name} cannot be kept: ${error.message}`, { cause: error });
  }
}

async function bring(what: Download, kept: KeptFile): Promise<Blob | undefined> {
  if (kept.partial !== undefined && isComplete(kept.partial)) await finish(what, kept);
  const { whole, partial } = kept;
  if (what.expected !== undefined && whole !== undefined) return whole.blob;
  const headers = partial === undefined ? conditionOf(what, whole) : rangeOf(what, partial);
  const answer = await ask(what, kept, headers);
  if (answer === 'kept') return kept.absent ? undefined : whole!.blob;
  const isRest = partial !== undefined && continues(what, answer, partial);
  if (!isRest) await kept.drop();
  if (!isRest && isOfRange(answer)) {
    await answer.body?.cancel();
    return bring(what, kept); // What had come was of another version.
  }
  const version = what.expected ?? versionOf(answer);
  if (isAbsent(what, answer) || (whole !== undefined && isSame(whole, version))) {
    await answer.body?.cancel();
    await kept.setAbsent(isAbsent(what, answer));
    return kept.absent ? undefined : whole!.blob;
  }
  await receive(what, kept, isRest ? partial : await begin(what, kept, version, answer), answer);
  return (await finish(what, kept)).blob;
}

/** @returns `kept` where what is kept is right, or the address cannot be reached and something is known of it */
async function ask(
  { url, headers, fetch: request = fetch }: Download,
  kept: KeptFile,
  more: Readonly<Record<string, string>>,
): Promise<Response | 'kept'> {
  const known = kept.whole !== undefined || kept.absent;
  try {
    // Nothing is left to the browser's own cache: it could not be relied on, and would hold all a second time.
    const answer = await request(url, { headers: { ...headers, ...more }, cache: 'no-store' });
    if (answer.status === 304) {
      await kept.setAbsent(false);
      return 'kept';
    }
    const fits = 'Range' in more || !isOfRange(answer);
    if (fits && (answer.ok || isOfRange(answer) || answer.status === 404)) return answer;
    throw await refusal(answer);
  } catch (error) {
    if (known && !isRefusal(error)) return 'kept';
    throw error;
  }
}

/** Whether an answer is one to the range that was asked for: that, or none. */
function isOfRange({ status }: Response): boolean {
  return status === 206 || status === 416;
}

/** @throws HttpError for an answer that is none */
export async function requireAnswer(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  throw await refusal(answer);
}

async function refusal(answer: Response): Promise<HttpError> {
  const { error } = (await answer.json().catch(() => ({}))) as { error?: unknown };
  const said = typeof error === 'string' ? `: ${error}` : '';
  return new HttpError(answer.status, `it answered ${answer.status}${said}`);
}

/** No file, or a page in its place, as development servers answer. */
function isAbsent({ expected }: Download, answer: Response): boolean {
  if (answer.status === 404) return true;
  if (expected !== undefined) return false;
  return answer.headers.get('content-type')?.startsWith('text/html') ?? false;
}

function versionOf({ headers }: Response): Version {
  const validator = headers.get('etag') ?? headers.get('last-modified') ?? undefined;
  const length = headers.get('content-length');
  const isCoded = headers.get('content-encoding') !== null; // Then the length is not that of what comes out.
  return { validator, size: length === null || isCoded ? undefined : Number(length) };
}

function isSame(whole: WholeFile, { validator, size }: Version): boolean {
  if (validator === undefined || validator !== whole.validator) return false;
  return isTag(validator) || size === undefined || size === whole.size; // A second may see two files.
}

function isTag(validator: string): boolean {
  return validator.endsWith('"');
}

/** Asks for a file only where it is another than the one that is kept. */
function conditionOf({ url, expected }: Download, whole?: WholeFile): Record<string, string> {
  const validator = whole?.validator;
  if (expected !== undefined || validator === undefined || !isOwn(url)) return {};
  return { [isTag(validator) ? 'If-None-Match' : 'If-Modified-Since']: validator };
}

/** Asks for what is missing of a file, if it is still the same one. */
function rangeOf({ url, expected }: Download, partial: PartialFile): Record<string, string> {
  const range = { Range: `bytes=${partial.pieces.size}-` };
  if (expected !== undefined || !isOwn(url)) return range;
  return { ...range, 'If-Range': partial.validator! };
}

/** Elsewhere a condition would need the leave of the server (CORS), and few grant it. */
function isOwn(url: string): boolean {
  return new URL(url).origin === location.origin;
}

/** Whether an answer is the rest of what has come; what a foreign server hides of it cannot be compared. */
function continues(
  { expected }: Download,
  answer: Response,
  { validator, size, pieces }: PartialFile,
): boolean {
  if (answer.status !== 206) return false;
  const version = versionOf(answer);
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers.get('content-range') ?? '');
  const pairs: (readonly [came: unknown, due: unknown])[] = [
    [version.validator, expected === undefined ? validator : undefined],
    [version.size, size && size - pieces.size],
    [range && Number(range[1]), pieces.size],
    [range && (range[2] === '*' ? undefined : Number(range[2])), size],
  ];
  const unknown = [undefined, null] as unknown[];
  return pairs.every(
    ([came, due]) => unknown.includes(came) || unknown.includes(due) || came === due,
  );
}

function isComplete({ size, pieces }: PartialFile): boolean {
  return size !== undefined && pieces.size === size;
}

async function begin(
  { name, folder, expected }: Download,
  kept: KeptFile,
  version: Version,
  answer: Response,
): Promise<PartialFile> {
  const needed = folder === undefined ? 0 : (version.size ?? 0);
  await requireRoom(name, needed).catch(async (error: unknown) => {
    await answer.body?.cancel();
    throw error;
  });
  const { validator } = version;
  const isStrong = validator !== undefined && !validator.startsWith('W/');
  return kept.begin(version, expected !== undefined || isStrong);
}

/** @throws InputError before anything is fetched that cannot be kept */
async function requireRoom(name: string, size: number): Promise<void> {
  const { usage = 0, quota = Infinity } = (await navigator.storage.estimate?.()) ?? {};
  if (size <= quota - usage) return;
  throw new InputError(
    `pretrained: ${name} takes ${megabytes(size)}, and the browser's storage for this site has room for ` +
      `${megabytes(Math.max(0, quota - usage))} (of ${megabytes(quota)}); free some of it, and try again`,
  );
}

async function receive(
  { name, onProgress }: Download,
  kept: KeptFile,
  { pieces, size, isResumable }: PartialFile,
  answer: Response,
): Promise<void> {
  const told = (): void => {
    const isRight = size !== undefined && pieces.size <= size; // It may be that of what was coded.
    onProgress?.({ file: name, loaded: pieces.size, total: isRight ? size : undefined });
  };
  const broken = async (why: string): Promise<Error> => {
    const came = size === undefined ? pieces.size : `${pieces.size} of ${size}`;
    const next = isResumable ? '; what came is kept, and the next call goes on behind it' : '';
    if (isResumable) await pieces.flush();
    else await kept.drop();
    return new Error(`${came} bytes came (${why})${next}`);
  };
  const reader = answer.body!.getReader();
  try {
    told();
    for (;;) {
      const { done, value } = await reader.read().catch(async (error: unknown) => {
        throw await broken(reasonOf(error));
      });
      if (done) break;
      await pieces.append(value);
      told();
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  if (size !== undefined && pieces.size < size) throw await broken('the answer ended too early');
}

/** @throws Error where what has come is not what was listed; then it is forgotten */
async function finish({ expected }: Download, kept: KeptFile): Promise<WholeFile> {
  const { pieces } = kept.partial!;
  await pieces.flush();
  const problem = expected && (await problemOf(pieces, expected));
  if (problem === undefined) return kept.complete();
  await kept.drop();
  throw new Error(problem);
}

async function problemOf(
  pieces: Pieces,
  { size, sha256: listed }: NonNullable<Download['expected']>,
): Promise<string | undefined> {
  if (pieces.size !== size) return `${pieces.size} bytes came instead of ${size}`;
  if (listed === undefined) return undefined;
  const hash = sha256();
  for await (const bytes of piecesOf(pieces.blob())) hash.update(bytes);
  return hex(hash.digest()) === listed ? undefined : 'its hash is not the one listed';
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
