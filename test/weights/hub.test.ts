import { createHash } from 'node:crypto';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { InputError } from '../../src/errors.js';
import { openPretrained } from '../../src/weights/hub.js';
import type { PretrainedFiles, PretrainedOptions } from '../../src/weights/hub.js';

const commit = '0123456789abcdef0123456789abcdef01234567';
const later = 'fedcba9876543210fedcba9876543210fedcba98';

/** A hub with one model, in memory, that notes what it is asked. */
class FakeHub {
  readonly requests: { url: string; method: string; authorization: string | null }[] = [];
  readonly branches: Record<string, string> = { main: commit, 'v1.0': later };
  files: Record<string, string> = {
    'config.json': '{"model_type":"bert"}',
    'sub folder/vocab.txt': '[PAD]\n[UNK]\n',
    'model.safetensors': 'x'.repeat(1_500_000),
  };
  /** Answers instead of the hub, where it gives anything. */
  intercept: (path: string) => Response | undefined = () => undefined;

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    this.requests.push({
      url: url.pathname,
      method: request.method,
      authorization: request.headers.get('authorization'),
    });
    return this.intercept(url.pathname) ?? this.#answer(decodeURIComponent(url.pathname), request);
  };

  get paths(): string[] {
    return this.requests.map(({ url }) => url);
  }

  #answer(path: string, request: Request): Response {
    const revision = /^\/api\/models\/owner\/name\/revision\/(.+)$/.exec(path)?.[1];
    if (revision !== undefined) return this.#model(revision);
    if (/^\/api\/models\/owner\/name\/tree\/[0-9a-f]{40}$/.test(path))
      return Response.json(this.#tree());
    const name = /^\/owner\/name\/resolve\/[0-9a-f]{40}\/(.+)$/.exec(path)?.[1];
    const content = name === undefined ? undefined : this.files[name];
    if (content === undefined) return this.#absent('Repository not found', 'RepoNotFound');
    return this.#content(content, request);
  }

  #model(revision: string): Response {
    const sha =
      this.branches[revision] ?? Object.values(this.branches).find((id) => id === revision);
    if (sha === undefined) return this.#absent(`Invalid rev id: ${revision}`, 'RevisionNotFound');
    return Response.json({ _id: '1', id: 'owner/name', sha, lastModified: '2024-01-01' });
  }

  #absent(error: string, code: string): Response {
    return Response.json({ error }, { status: 404, headers: { 'X-Error-Code': code } });
  }

  #tree(): object[] {
    const files = Object.entries(this.files).map(([path, content]) => ({
      type: 'file',
      path,
      size: content.length,
      oid: hash('sha1', `blob ${content.length}\0${content}`),
      ...(content.length > 1_000_000 && {
        lfs: { oid: hash('sha256', content), size: content.length, pointerSize: 134 },
      }),
    }));
    return [
      ...files,
      { type: 'directory', path: 'sub folder', size: 0, oid: hash('sha1', 'tree') },
    ];
  }

  #content(content: string, request: Request): Response {
    const headers = { ETag: `"${hash('sha1', content)}"` };
    if (request.headers.get('range') !== 'bytes=0-0') return new Response(content, { headers });
    const range = { 'Content-Range': `bytes 0-0/${content.length}` };
    return new Response(content.slice(0, 1), { status: 206, headers: { ...headers, ...range } });
  }
}

const hash = (kind: string, text: string): string => createHash(kind).update(text).digest('hex');
const unreachable: typeof fetch = async () => {
  throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND huggingface.co') });
};

let cacheDir: string;
let hub: FakeHub;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'hub-'));
  hub = new FakeHub();
  for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'HF_TOKEN', 'HF_ENDPOINT']) {
    vi.stubEnv(name, '');
  }
});
afterEach(async () => {
  vi.unstubAllEnvs();
  expect(await openFilesIn(cacheDir), 'files left open').toEqual([]);
  await rm(cacheDir, { recursive: true });
});

/** The files of a folder that this process has open, where the system tells. */
async function openFilesIn(folder: string): Promise<string[]> {
  const descriptors = '/proc/self/fd';
  const numbers = process.platform === 'linux' ? await readdir(descriptors) : [];
  const paths = await Promise.all(
    numbers.map((number) => readlink(join(descriptors, number)).catch(() => '')),
  );
  return paths.filter((path) => path.startsWith(folder));
}

const online = (options: PretrainedOptions = {}): Promise<PretrainedFiles> =>
  openPretrained('owner/name', { cacheDir, fetch: hub.fetch, ...options });
const cached = (...names: string[]): string => join(cacheDir, 'models--owner--name', ...names);

describe('the hub', () => {
  test('a file is fetched when it is read, and only that one', async () => {
    const files = await online();
    expect(files.source).toBe('owner/name');
    expect(files.path).toBeUndefined();
    expect(hub.paths.some((path) => path.includes('/resolve/'))).toBe(false);
    expect(await files.readJson('config.json')).toEqual({ model_type: 'bert' });
    expect(await files.readText('sub folder/vocab.txt')).toBe('[PAD]\n[UNK]\n');
    expect(hub.paths.filter((path) => path.includes('safetensors'))).toEqual([]);
    expect((await files.readBytes('model.safetensors')).length).toBe(1_500_000);
  });

  test('the cache has the layout of the Python package', async () => {
    const files = await online();
    await files.readBytes('model.safetensors');
    await files.readText('sub folder/vocab.txt');
    const sha256 = hash('sha256', hub.files['model.safetensors']!);
    const sha1 = hash('sha1', 'blob 12\0[PAD]\n[UNK]\n');
    expect(await readFile(cached('refs', 'main'), 'utf8')).toBe(commit);
    expect((await readdir(cached('blobs'))).toSorted()).toEqual([sha1, sha256].toSorted());
    const link = cached('snapshots', commit, 'model.safetensors');
    expect(await readlink(link)).toBe(join('..', '..', 'blobs', sha256));
    const deeper = cached('snapshots', commit, 'sub folder', 'vocab.txt');
    expect(await readlink(deeper)).toBe(join('..', '..', '..', 'blobs', sha1));
    const listing = JSON.parse(await readFile(cached('trees', `${commit}.json`), 'utf8'));
    expect(listing.format_version).toBe(1);
    expect(listing.files['model.safetensors']).toMatchObject({
      size: 1_500_000,
      lfs_sha256: sha256,
    });
  });

  test('what is in the cache is not fetched again', async () => {
    await (await online()).readText('config.json');
    hub.requests.length = 0;
    await (await online()).readText('config.json');
    expect(hub.paths).toEqual(['/api/models/owner/name/revision/main']);
  });

  test('a commit that is in the cache needs no request', async () => {
    await (await online({ revision: commit })).readText('config.json');
    const files = await online({ revision: commit, fetch: unreachable });
    expect(await files.readJson('config.json')).toEqual({ model_type: 'bert' });
    expect(await files.has('model.safetensors')).toBe(true);
    expect(await files.has('absent.json')).toBe(false);
  });

  test('a branch that has moved is followed', async () => {
    await (await online()).readText('config.json');
    hub.branches['main'] = later;
    hub.files = { ...hub.files, 'config.json': '{"model_type":"new"}' };
    expect(await (await online()).readJson('config.json')).toEqual({ model_type: 'new' });
    expect(await (await online({ revision: commit })).readJson('config.json')).toEqual({
      model_type: 'bert',
    });
  });

  test('a revision is asked for by its name', async () => {
    const files = await online({ revision: 'v1.0' });
    await files.readText('config.json');
    expect(files.source).toBe('owner/name (revision v1.0)');
    expect(hub.paths).toContain('/api/models/owner/name/revision/v1.0');
    expect(hub.paths).toContain(`/owner/name/resolve/${later}/config.json`);
    expect(await readFile(cached('refs', 'v1.0'), 'utf8')).toBe(later);
  });

  test.each(['../../main', 'a//b', '/main', '', 'x\n'])(
    'the revision %j is refused',
    async (revision) => {
      await expect(online({ revision })).rejects.toThrow(/must be a branch, tag or commit/);
      expect(hub.requests).toEqual([]);
    },
  );

  test('the token is sent with every request, the option before the environment', async () => {
    const authorizations = async (options: PretrainedOptions): Promise<Set<string | null>> => {
      hub = new FakeHub();
      await rm(cached(), { recursive: true, force: true });
      await (await online(options)).readBytes('model.safetensors');
      return new Set(hub.requests.map(({ authorization }) => authorization));
    };
    expect(await authorizations({})).toEqual(new Set([null]));
    expect(await authorizations({ token: 'hf_option' })).toEqual(new Set(['Bearer hf_option']));
    vi.stubEnv('HF_TOKEN', 'hf_environment');
    expect(await authorizations({})).toEqual(new Set(['Bearer hf_environment']));
    expect(await authorizations({ token: 'hf_option' })).toEqual(new Set(['Bearer hf_option']));
    await expect(online({ token: 'secret' })).rejects.toThrow(
      /given as 'token' must begin with 'hf_'/,
    );
    await expect(online({ token: 'secret' })).rejects.not.toThrow(/secret/);
  });

  test('two readers at once fetch a file without harm', async () => {
    const files = await Promise.all([online(), online(), online()]);
    const bytes = await Promise.all(files.map((each) => each.readBytes('model.safetensors')));
    expect(bytes.map(({ length }) => length)).toEqual([1_500_000, 1_500_000, 1_500_000]);
    expect(await readdir(cached('blobs'))).toHaveLength(1);
  });

  test('a file that the model lacks', async () => {
    const files = await online();
    expect(await files.has('absent.json')).toBe(false);
    await expect(files.readText('absent.json')).rejects.toThrow(
      /owner\/name has no file absent.json on the hub/,
    );
  });

  test('files that do not hold what they should', async () => {
    hub.files = { list: '[]', text: 'no json' };
    const files = await online();
    await expect(files.readJson('list')).rejects.toThrow(
      /list of owner\/name must hold a JSON object/,
    );
    await expect(files.readJson('text')).rejects.toThrow(/text of owner\/name is not valid JSON/);
  });
});

describe('what goes wrong', () => {
  const refusals: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a model that there is not',
      () => openPretrained('owner/absent', { cacheDir, fetch: hub.fetch }),
      /'owner\/absent' is no folder here, and the hub refused it: Repository not found.*check the spelling/,
    ],
    [
      'a revision that there is not',
      () => online({ revision: 'v9' }),
      /\(revision v9\)' .* Invalid rev id: v9/,
    ],
  ];
  test.each(refusals)('%s', async (_, open, message) => {
    await expect(open()).rejects.toThrow(message);
    await expect(open()).rejects.toThrow(InputError);
  });

  test.each([401, 403])('a model that needs a token: %i', async (status) => {
    hub.intercept = () => Response.json({ error: 'Access is restricted' }, { status });
    await expect(online()).rejects.toThrow(
      /Access is restricted.*accept its terms and set HF_TOKEN or pass 'token'/,
    );
  });

  test('a file that needs a token', async () => {
    const files = await online();
    hub.intercept = () => Response.json({ error: 'Gated' }, { status: 403 });
    await expect(files.readText('config.json')).rejects.toThrow(/Gated.*HF_TOKEN/);
  });

  test('no network and no cache', async () => {
    const opened = online({ fetch: unreachable });
    await expect(opened).rejects.toThrow(
      /'owner\/name' is no folder here and is not in the cache .*ENOTFOUND huggingface\.co.*run once with a network .*`hf download owner\/name`.*or give the path of a folder/,
    );
    await expect(opened).rejects.toThrow(InputError);
  });

  test.each([500, 503, 429])('a hub that is down (%i) is as no network', async (status) => {
    await (await online()).readText('config.json');
    hub.intercept = () => new Response('down', { status });
    expect(await (await online()).readText('config.json')).toContain('bert');
    await rm(cached(), { recursive: true });
    await expect(online()).rejects.toThrow(
      /the hub cannot be reached: .*is not in the cache|not in the cache.*reached/,
    );
  });

  test('a network that fails in the middle', async () => {
    const files = await online();
    hub.intercept = (path) => {
      if (path.includes('/resolve/'))
        throw new TypeError('fetch failed', { cause: new Error('ECONNRESET') });
      return undefined;
    };
    await expect(files.readText('config.json')).rejects.toThrow(
      /config.json of owner\/name could not be downloaded: fetch failed \(ECONNRESET\); try again/,
    );
  });

  test.each([
    ['cut', 'x'.repeat(100), /100 bytes came instead of 1500000/],
    ['another', 'y'.repeat(1_500_000), /its hash is not the one listed/],
  ])('a download that is %s is not kept', async (_, content, message) => {
    const files = await online();
    hub.files = { ...hub.files, 'model.safetensors': content };
    await expect(files.readBytes('model.safetensors')).rejects.toThrow(message);
    expect(await readdir(cached('blobs'))).toEqual([]);
    hub.files = { 'model.safetensors': 'x'.repeat(1_500_000) };
    expect((await files.readBytes('model.safetensors')).length).toBe(1_500_000);
  });

  test('a cache that cannot be written', async () => {
    await writeFile(join(cacheDir, 'file'), '');
    await expect(online({ cacheDir: join(cacheDir, 'file', 'cache') })).rejects.toThrow(
      /the cache .* cannot be written: .*; name another by cacheDir or HF_HUB_CACHE/,
    );
  });

  test('a listing whose hashes would lead out of the cache', async () => {
    const tree = [{ type: 'file', path: 'config.json', size: 2, oid: '../../../evil' }];
    hub.intercept = (path) => (path.includes('/tree/') ? Response.json(tree) : undefined);
    const files = await online();
    await expect(files.readText('config.json')).rejects.toThrow(/is no hash/);
  });
});

describe('offline', () => {
  beforeEach(async () => {
    await (await online()).readText('config.json');
  });

  test('what is in the cache is read, when there is no network', async () => {
    const files = await online({ fetch: unreachable });
    expect(await files.readJson('config.json')).toEqual({ model_type: 'bert' });
  });

  test.each(['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])(
    'with %s nothing is asked',
    async (name) => {
      vi.stubEnv(name, '1');
      hub.requests.length = 0;
      expect(await (await online()).readJson('config.json')).toEqual({ model_type: 'bert' });
      await expect(online({ revision: 'v1.0' })).rejects.toThrow(
        new RegExp(`${name} is set; run once with a network`),
      );
      expect(hub.requests).toEqual([]);
    },
  );

  test('a file that is on the hub but not in the cache is not taken for absent', async () => {
    const files = await online({ fetch: unreachable });
    expect(await files.has('model.safetensors')).toBe(true);
    expect(await files.has('absent.json')).toBe(false);
    await expect(files.readBytes('model.safetensors')).rejects.toThrow(
      /model.safetensors of owner\/name is not in the cache .*run once with a network/,
    );
  });

  test('a cache without listings, as older tools leave it', async () => {
    await rm(cached('trees'), { recursive: true });
    const files = await online({ fetch: unreachable });
    expect(await files.has('config.json')).toBe(true);
    expect(await files.has('model.safetensors')).toBe(false);
  });

  test('a damaged listing is fetched again', async () => {
    await writeFile(cached('trees', `${commit}.json`), '{"format_version":1,"files":{"a":null}}');
    expect(await (await online()).has('model.safetensors')).toBe(true);
  });

  test("the cache is found where Hugging Face's tools keep it", async () => {
    vi.stubEnv('HF_HUB_CACHE', cacheDir);
    const files = await openPretrained('owner/name', { fetch: unreachable });
    expect(await files.has('config.json')).toBe(true);
  });
});

describe('a folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = join(cacheDir, 'model');
    await mkdir(join(folder, 'sub'), { recursive: true });
    await writeFile(join(folder, 'config.json'), '\ufeff{"a":1}');
    await writeFile(join(folder, 'sub', 'latin1'), Buffer.from([0xe9]));
  });

  test('is used as it is', async () => {
    const files = await openPretrained(folder, { fetch: unreachable });
    expect([files.source, files.path]).toEqual([folder, folder]);
    expect(await files.readJson('config.json')).toEqual({ a: 1 });
    expect([await files.has('config.json'), await files.has('sub'), await files.has('x')]).toEqual([
      true,
      false,
      false,
    ]);
    await expect(files.readText('x')).rejects.toThrow(/the folder .*model has no file x/);
    await expect(files.readText('sub/latin1')).rejects.toThrow(/sub\/latin1 of .* must be UTF-8/);
  });

  test.each([
    '../secret',
    '/etc/passwd',
    'a/../../b',
    '..\\b',
    'C:\\b',
    'C:b',
    '',
    'a//b',
    './a',
    'a\0',
  ])('the name %j does not leave it', async (name) => {
    const files = await openPretrained(folder);
    await expect(files.readText(name)).rejects.toThrow(/must lie in its folder/);
    await expect(files.has(name)).rejects.toThrow(InputError);
  });

  test('that a dying writer left in between is recovered', async () => {
    await rename(folder, join(cacheDir, '.model.next'));
    expect(await (await openPretrained(folder)).has('config.json')).toBe(true);
  });

  test('that is a file', async () => {
    const opened = openPretrained(join(folder, 'config.json'));
    await expect(opened).rejects.toThrow(/must be a folder, got a file; name its folder/);
  });

  test.each([
    './absent',
    '../absent',
    '/absent/model',
    'results/run1/model',
    'C:\\models\\bert',
    'https://huggingface.co/owner/name',
    '~/models',
    'owner/',
    'owner/name.git',
    'config.json',
    'a--b',
    '.hidden',
    'has space',
    '',
    'nul\0',
    'x'.repeat(97),
  ])('%j is neither a folder nor a hub id, and the hub is not asked', async (path) => {
    const opened = openPretrained(path, { cacheDir, fetch: hub.fetch });
    await expect(opened).rejects.toThrow(
      /there is no folder '.*', and a hub id has the form 'owner\/name'/s,
    );
    expect(hub.requests).toEqual([]);
  });
});
