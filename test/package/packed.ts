import { execFile } from 'node:child_process';
import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The root of this repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}

/** The package.json of this repository. */
export const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;

/** What a program wrote and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An application's folder in which the packed package is installed. */
export interface Application {
  readonly folder: string;
  /** Runs Node on these words in the folder. */
  node(...words: string[]): Promise<Outcome>;
  /** Runs a program of the repository's node_modules in the folder. */
  tool(name: string, ...words: string[]): Promise<Outcome>;
  write(name: string, content: string): Promise<void>;
  remove(): Promise<void>;
}

/** Packs the built package once; returns the tarball. */
export async function pack(folder: string): Promise<string> {
  const words = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder];
  await run('npm', words, { cwd: root });
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error(`npm pack left no tarball in ${folder}`);
  return join(folder, tarball);
}

/**
 * Installs the packed package into an empty application without a network: it is unpacked, and those of its
 * dependencies that are named are linked from the repository.
 */
export async function install(dependencies: readonly string[]): Promise<Application> {
  const folder = await mkdtemp(join(tmpdir(), 'bertresnet-package-'));
  const modules = join(folder, 'node_modules');
  await mkdir(modules);
  await run('tar', ['-xzf', await pack(folder), '-C', modules]);
  await rename(join(modules, 'package'), join(modules, 'bertresnet'));
  for (const name of dependencies) await link(name, modules);
  return application(folder);
}

async function link(name: string, modules: string): Promise<void> {
  const target = join(modules, name);
  await mkdir(dirname(target), { recursive: true });
  await symlink(join(root, 'node_modules', name), target);
}

function application(folder: string): Application {
  return {
    folder,
    node: (...words) => outcome(process.execPath, words, folder),
    tool: (name, ...words) => outcome(join(root, 'node_modules/.bin', name), words, folder),
    write: (name, content) => writeFile(join(folder, name), content),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function outcome(program: string, words: string[], cwd: string): Promise<Outcome> {
  try {
    return { code: 0, ...(await run(program, words, { cwd })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Outcome;
    return { code, stdout, stderr };
  }
}

/** Copies the consumers of the package, programs in each module system, into an application. */
export async function copyConsumers(app: Application): Promise<void> {
  await cp(fileURLToPath(new URL('./consumer', import.meta.url)), app.folder, { recursive: true });
}
