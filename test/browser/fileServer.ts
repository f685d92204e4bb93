import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** What a server was asked, and how it answered. */
export interface Asked {
  readonly path: string;
  readonly status: number;
  readonly range?: string;
  readonly ifRange?: string;
  readonly ifNoneMatch?: string;
  readonly authorization?: string;
}

/** The hash that git has for a file, or the one that the hub has for a large one. */
export function hashOf(kind: 'sha1' | 'sha256', content: string | Buffer): string {
  return createHash(kind).update(content).digest('hex');
}

/** A server of files with ETags and ranges, that notes what it is asked, and can be made to fail. */
export class FileServer {
  readonly asked: Asked[] = [];
  readonly files = new Map<string, Buffer>();
  /** Answers with the whole file whatever was asked, or without ETags. */
  ignoresRanges = false;
  hidesTags = false;
  /** Sends so many bytes of an answer, and waits, until `drop` ends the connection. */
  holdsAfter = Infinity;
  /** Answers nothing, or with this status. */
  failure: 'gone' | number | undefined;
  readonly #held: IncomingMessage[] = [];

  readonly listener: RequestListener = (request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname);
    this.allow(response);
    if (this.failure === 'gone') return void request.socket.destroy();
    if (request.method === 'OPTIONS') return this.#end(path, request, response, 204);
    if (this.failure !== undefined) return this.#end(path, request, response, this.failure);
    this.answer(path, request, response);
  };

  /** Forgets what it was asked, and works again. */
  reset(): void {
    this.asked.length = 0;
    Object.assign(this, { ignoresRanges: false, hidesTags: false });
    Object.assign(this, { failure: undefined, holdsAfter: Infinity });
  }

  /** Ends the connections that wait, and holds no more. */
  drop(): void {
    this.holdsAfter = Infinity;
    for (const { socket } of this.#held.splice(0)) socket.destroy();
  }

  /** Grants other origins what they need, here: nothing. */
  protected allow(_response: ServerResponse): void {}

  protected answer(path: string, request: IncomingMessage, response: ServerResponse): void {
    const content = this.files.get(path);
    if (content === undefined) return this.#end(path, request, response, 404);
    this.send(path, content, request, response);
  }

  protected send(
    path: string,
    content: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const { range, 'if-range': condition, 'if-none-match': known } = request.headers;
    const tag = `"${hashOf('sha1', content)}"`;
    if (!this.hidesTags) response.setHeader('ETag', tag);
    if (known === tag) return this.#end(path, request, response, 304);
    const isSame = condition === undefined || condition === tag;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    if (this.ignoresRanges || !isSame || first === undefined)
      return this.#write(path, request, response, 200, content);
    const [from, to] = [Number(first), last ? Number(last) + 1 : content.length];
    if (from >= content.length) return this.#end(path, request, response, 416);
    response.setHeader('Content-Range', `bytes ${from}-${to - 1}/${content.length}`);
    this.#write(path, request, response, 206, content.subarray(from, to));
  }

  protected sendJson(
    path: string,
    value: unknown,
    request: IncomingMessage,
    response: ServerResponse,
    status = 200,
  ): void {
    response.setHeader('Content-Type', 'application/json');
    this.#write(path, request, response, status, Buffer.from(JSON.stringify(value)));
  }

  #write(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    content: Buffer,
  ): void {
    this.#note(path, request, status);
    response.writeHead(status, { 'Content-Length': content.length });
    if (this.holdsAfter >= content.length) return void response.end(content);
    response.write(content.subarray(0, this.holdsAfter));
    this.#held.push(request);
  }

  #end(path: string, request: IncomingMessage, response: ServerResponse, status: number): void {
    if (request.method !== 'OPTIONS') this.#note(path, request, status);
    response.writeHead(status).end();
  }

  #note(path: string, { headers }: IncomingMessage, status: number): void {
    const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch, authorization } = headers;
    const given = Object.entries({ range, ifRange, ifNoneMatch, authorization });
    this.asked.push({
      path,
      status,
      ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    });
  }
}

/** A hub with one model, `owner/name`, on an origin of its own. */
export class HubServer extends FileServer {
  readonly commits: Record<string, string> = { main: '0123456789abcdef0123456789abcdef01234567' };
  /** Gated: nothing is answered without this token. */
  token: string | undefined;

  protected override allow(response: ServerResponse): void {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Allow-Headers', 'authorization, range');
    response.setHeader('Access-Control-Expose-Headers', 'ETag, Link, X-Error-Code, Content-Range');
  }

  protected override answer(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const { authorization } = request.headers;
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`)
      return this.#refuse(path, 'Access to model owner/name is restricted', request, response, 401);
    const [, kind, rest = ''] =
      /^\/(api\/models\/owner\/name\/revision|api\/models\/owner\/name\/tree|owner\/name\/resolve)\/(.+)$/.exec(
        path,
      ) ?? [];
    if (kind?.endsWith('revision')) return this.#revision(path, rest, request, response);
    if (kind?.endsWith('tree')) return this.#tree(path, request, response);
    const content = kind && this.files.get(rest.replace(/^[0-9a-f]{40}\//, ''));
    if (content) return this.send(path, content, request, response);
    this.#refuse(path, 'Repository not found', request, response);
  }

  #revision(
    path: string,
    revision: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const sha = this.commits[revision];
    if (sha === undefined)
      return this.#refuse(path, `Invalid rev id: ${revision}`, request, response);
    this.sendJson(path, { id: 'owner/name', sha }, request, response);
  }

  /** Two entries at a time. */
  #tree(path: string, request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, `http://${request.headers.host}`);
    const start = Number(url.searchParams.get('cursor') ?? 0);
    if (start + 2 < this.files.size) {
      url.searchParams.set('cursor', String(start + 2));
      response.setHeader('Link', `<${url.href}>; rel="next"`);
    }
    const entries = [...this.files].slice(start, start + 2).map(([path, content]) => {
      const oid = hashOf('sha1', `blob ${content.length}\0${content.toString('latin1')}`);
      const lfs = { oid: hashOf('sha256', content), size: content.length, pointerSize: 134 };
      const isLarge = content.length > 1_000_000;
      return { type: 'file', path, size: content.length, oid, ...(isLarge && { lfs }) };
    });
    this.sendJson(path, entries, request, response);
  }

  #refuse(
    path: string,
    error: string,
    request: IncomingMessage,
    response: ServerResponse,
    status = 404,
  ): void {
    this.sendJson(path, { error }, request, response, status);
  }
}
