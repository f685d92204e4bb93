import { spawn } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.js';
import {
  openFile,
  readWhole,
  recoverFolder,
  replaceFolder,
  writeFileAtomic,
} from '../../src/weights/files.node.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
});
afterEach(() => rm(folder, { recursive: true }));

const inside = (...names: string[]): string => join(folder, ...names);
const textOf = (...names: string[]): Promise<string> => readFile(inside(...names), 'utf8');

/** A writer of one file, which says which version it is. */
const version =
  (text: string) =>
  (temporary: string): Promise<void> =>
    writeFile(join(temporary, 'version'), text);

async function makeFolder(name: string, text: string): Promise<void> {
  await mkdir(inside(name));
  await version(text)(inside(name));
}

async function fail(temporary: string): Promise<void> {
  await version('half')(temporary);
  throw new Error('disk full');
}

/** The number of a process that has ended. */
function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  return new Promise((resolve) => child.on('exit', () => resolve(child.pid!)));
}

describe('reading', () => {
  test('a range far behind 4 GiB of a sparse file', async () => {
    const [size, place] = [5 * 2 ** 30, 4.5 * 2 ** 30];
    const handle = await open(inside('large'), 'w');
    await handle.truncate(size);
    await handle.write(Buffer.from('here'), 0, 4, place);
    await handle.close();
    const file = await openFile(inside('large'));
    expect(file.size).toBe(size);
    expect(Buffer.from(await file.read(place - 1, place + 5)).toString()).toBe('\0here\0');
    await file.close();
  });

  test('a file that becomes shorter', async () => {
    await writeFile(inside('a'), '0123456789');
    const file = await openFile(inside('a'));
    await writeFile(inside('a'), '0123');
    await expect(file.read(2, 8)).rejects.toThrow(/became shorter while it was read/);
    await file.close();
  });

  test('what is not there, and what is no file', async () => {
    await expect(readWhole(inside('absent'))).rejects.toThrow(InputError);
    await writeFile(inside('a'), '');
    await expect(readWhole(inside('a', 'b'))).rejects.toThrow(/there is no file/);
    await expect(readWhole(folder)).rejects.toThrow(/must be a file, got a folder/);
    expect(await readWhole(inside('a'))).toEqual(new Uint8Array(0));
  });
});

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1);
  throw new Error('the source failed');
}

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('one ');
  yield Buffer.from('two');
}

describe('writing a file', () => {
  test('text, bytes and chunks, into folders that do not exist yet', async () => {
    await writeFileAtomic(inside('x', 'y', 'text'), 'é');
    await writeFileAtomic(inside('x', 'bytes'), Uint8Array.of(65, 66));
    await writeFileAtomic(new URL(`file://${inside('x', 'chunks')}`), chunks());
    expect(await textOf('x', 'y', 'text')).toBe('é');
    expect(await textOf('x', 'bytes')).toBe('AB');
    expect(await textOf('x', 'chunks')).toBe('one two');
    expect((await readdir(inside('x'))).toSorted()).toEqual(['bytes', 'chunks', 'y']);
  });

  test('the old content stays until all of the new one is there', async () => {
    await writeFile(inside('a'), 'old');
    await expect(writeFileAtomic(inside('a'), failing())).rejects.toThrow('the source failed');
    expect(await textOf('a')).toBe('old');
    expect(await readdir(folder)).toEqual(['a']);
    await writeFileAtomic(inside('a'), 'new');
    expect(await textOf('a')).toBe('new');
  });

  test('many at once leave one of them, whole', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(10_000));
    await Promise.all(texts.map((text) => writeFileAtomic(inside('a'), text)));
    expect(texts).toContain(await textOf('a'));
    expect(await readdir(folder)).toEqual(['a']);
  });

  test('permissions and links stay as they are', async () => {
    await writeFile(inside('secret'), 'old');
    await chmod(inside('secret'), 0o600);
    await symlink('secret', inside('link'));
    await writeFileAtomic(inside('link'), 'new');
    expect(await readlink(inside('link'))).toBe('secret');
    expect(await textOf('secret')).toBe('new');
    expect((await stat(inside('secret'))).mode & 0o777).toBe(0o600);
  });

  test('a folder is not replaced by a file', async () => {
    await expect(writeFileAtomic(folder, '')).rejects.toThrow(
      /must be a file, and a folder is there/,
    );
  });

  test('a file is no folder to write into', async () => {
    await writeFile(inside('file'), 'old');
    for (const path of [inside('file', 'a'), inside('file', 'b', 'a')])
      await expect(writeFileAtomic(path, '')).rejects.toThrow(
        /^writing .*file.*: it must be a folder, and a file is there$/,
      );
    await expect(replaceFolder(inside('file', 'model'), version('1'))).rejects.toThrow(InputError);
    expect(await textOf('file')).toBe('old');
    expect(await readdir(folder)).toEqual(['file']);
  });
});

describe('replacing a folder', () => {
  test('a new one, and one that is there, as a whole', async () => {
    await replaceFolder(inside('x', 'model'), version('1'));
    await writeFile(inside('x', 'model', '.DS_Store'), '');
    await replaceFolder(inside('x', 'model'), version('2'));
    expect(await textOf('x', 'model', 'version')).toBe('2');
    expect(await readdir(inside('x', 'model'))).toEqual(['version']);
    expect(await readdir(inside('x'))).toEqual(['model']);
  });

  test('the old one stays where the new one fails', async () => {
    await makeFolder('model', 'old');
    await expect(replaceFolder(inside('model'), fail)).rejects.toThrow('disk full');
    expect(await textOf('model', 'version')).toBe('old');
    expect(await readdir(folder)).toEqual(['model']);
  });

  test('a link to a folder stays one', async () => {
    await makeFolder('model-1', 'old');
    await symlink('model-1', inside('latest'));
    await replaceFolder(inside('latest'), version('new'));
    expect(await readlink(inside('latest'))).toBe('model-1');
    expect(await textOf('model-1', 'version')).toBe('new');
  });

  test('what is in the way, and what was not written here, is not removed', async () => {
    await writeFile(inside('file'), 'mine');
    await expect(replaceFolder(inside('file'), version('1'))).rejects.toThrow(
      /and a file is there/,
    );
    await expect(replaceFolder('.', version('1'))).rejects.toThrow(/holds the working directory/);
    await expect(replaceFolder('/', version('1'))).rejects.toThrow(/holds the working directory/);
  });

  test('what nothing new takes the place of is not removed, unless it is owned', async () => {
    await makeFolder('model', 'old');
    await writeFile(inside('model', 'thesis.tex'), '');
    await expect(replaceFolder(inside('model'), version('1'))).rejects.toThrow(
      /'thesis.tex' in it would get lost; move that away, or name another folder/,
    );
    expect((await readdir(inside('model'))).toSorted()).toEqual(['thesis.tex', 'version']);
    expect(await textOf('model', 'version')).toBe('old');
    expect(await readdir(folder)).toEqual(['model']);
    await replaceFolder(inside('model'), version('1'), { owns: (name) => name.endsWith('.tex') });
    expect(await readdir(inside('model'))).toEqual(['version']);
  });

  test('what dead writers left is removed, what live ones write is not', async () => {
    const [dead, live] = [await deadProcess(), process.pid];
    await makeFolder(`.model.${dead}-0123abcd.tmp`, 'half');
    await makeFolder(`.model.${live}-0123abcd.tmp`, 'half');
    await makeFolder(`.other.${dead}-0123abcd.tmp`, 'half');
    await makeFolder('.model.next', 'old');
    await makeFolder('.model.previous', 'older');
    await makeFolder('model', 'old');
    await replaceFolder(inside('model'), version('new'));
    expect((await readdir(folder)).toSorted()).toEqual([
      `.model.${live}-0123abcd.tmp`,
      `.other.${dead}-0123abcd.tmp`,
      'model',
    ]);
    expect(await textOf('model', 'version')).toBe('new');
  });
});

describe('a process that died', () => {
  test.each([
    ['before its first rename', ['model'], 'old'],
    ['before the old folder was moved', ['model', '.model.next'], 'old'],
    ['between the two renames', ['.model.next', '.model.previous'], 'new'],
    ['before the first folder ever was in place', ['.model.next'], 'new'],
    ['with a new folder that got lost', ['.model.previous'], 'old'],
  ])('%s', async (_, there, expected) => {
    for (const name of there) await makeFolder(name, name === '.model.next' ? 'new' : 'old');
    await recoverFolder(inside('model'));
    await recoverFolder(inside('model'));
    expect(await textOf('model', 'version')).toBe(expected);
    await replaceFolder(inside('model'), version('newer'));
    expect(await textOf('model', 'version')).toBe('newer');
    expect(await readdir(folder)).toEqual(['model']);
  });

  test('after the swap: the old folder does not come back', async () => {
    await makeFolder('model', 'new');
    await makeFolder('.model.previous', 'old');
    await recoverFolder(inside('model'));
    expect(await readdir(folder)).toEqual(['model']);
    await rm(inside('model'), { recursive: true });
    await recoverFolder(inside('model'));
    expect(await readdir(folder)).toEqual([]);
  });

  test('behind a link', async () => {
    await makeFolder('model', 'new');
    await symlink('model', inside('latest'));
    await rename(inside('model'), inside('.model.next'));
    await recoverFolder(inside('latest'));
    expect(await textOf('latest', 'version')).toBe('new');
  });

  test('killed at any moment, a whole folder is there', async () => {
    await replaceFolder(inside('model'), version('0'));
    const module = new URL('../../src/weights/files.node.ts', import.meta.url).href;
    const script = `
      import { replaceFolder } from ${JSON.stringify(module)};
      import { writeFileSync } from 'node:fs';
      for (let i = 1; ; i++) {
        await replaceFolder(${JSON.stringify(inside('model'))}, async (folder) => {
          writeFileSync(folder + '/a', String(i));
          writeFileSync(folder + '/version', String(i));
        });
        if (i === 3) process.stdout.write('running');
      }`;
    for (const delay of [0, 3, 7, 13]) {
      const child = spawn(process.execPath, [
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        script,
      ]);
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, delay));
      const ended = new Promise((resolve) => child.on('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      await recoverFolder(inside('model'));
      expect(await textOf('model', 'version')).toBe(await textOf('model', 'a'));
    }
    await replaceFolder(inside('model'), version('end'), { owns: (name) => name === 'a' });
    expect(await readdir(folder)).toEqual(['model']);
  });
});
