// Runs an example by its number, the main one by default: npm run example [-- 03 [its own options]]
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MAIN = '07';
const here = fileURLToPath(new URL('.', import.meta.url));
const files = readdirSync(here).filter((name) => /^\d\d-.*\.ts$/.test(name));
const [first = '', ...others] = process.argv.slice(2);
const numbered = /^\d\d?$/.test(first);
const number = numbered ? first.padStart(2, '0') : MAIN;
const file = files.find((name) => name.startsWith(`${number}-`));
if (file === undefined) {
  console.error(`There is no example ${first}; there are:\n  ${files.join('\n  ')}`);
  process.exit(2);
}

// tsx reads the TypeScript; its own configuration makes `bertresnet` the built package.
const { resolve } = import.meta;
const options = numbered ? others : process.argv.slice(2);
const command = [
  fileURLToPath(resolve('tsx/cli')),
  ...['--tsconfig', `${here}tsconfig.json`, `${here}${file}`],
  ...options,
];
process.exit(spawnSync(process.execPath, command, { stdio: 'inherit' }).status ?? 1);
