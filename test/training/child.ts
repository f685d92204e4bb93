import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, 'node_modules/.cache/bertresnet');

/** A process of its own, and how it ended. */
export interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<{ readonly said: readonly string[]; readonly killed: boolean }>;
}

/** Trains in processes of their own: see killed.child.ts. */
export class TrainingProcesses {
  readonly #script = join(cache, `killed-${process.pid}.mjs`);

  /** Bundles what they run, as Node has no TypeScript. */
  async build(): Promise<void> {
    await mkdir(cache, { recursive: true });
    await build({
      entryPoints: [join(root, 'test/training/killed.child.ts')],
      outfile: this.#script,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      plugins: [
        {
          name: 'external-packages',
          setup: (bundle) =>
            bundle.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
              kind === 'entry-point' || path.startsWith('@tensorflow/tfjs-core/dist/')
                ? null
                : { path, external: true },
            ),
        },
      ],
    });
  }

  remove(): Promise<void> {
    return rm(this.#script);
  }

  /** Trains into a folder; `heard` is told each line as it is said. */
  start(outputDir: string, heard: (line: string, child: ChildProcess) => void = () => {}): Child {
    const child = spawn(process.execPath, [this.#script, outputDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    let told = 0;
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n').slice(0, -1);
      for (const line of lines.slice(told)) heard(line, child);
      told = lines.length;
    });
    const ended = new Promise<NodeJS.Signals | null>((resolve) =>
      child.once('close', (_, signal) => resolve(signal)),
    ).then((signal) => ({ said: text.trimEnd().split('\n'), killed: signal === 'SIGKILL' }));
    return { process: child, ended };
  }
}
