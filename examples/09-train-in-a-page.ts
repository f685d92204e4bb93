// A page that trains in a Web Worker, pauses, and goes on after it was loaded again: see browser/.
//   npm run example -- 9 [PORT]
import { fileURLToPath } from 'node:url';
import { context } from 'esbuild';

const port = Number(process.argv[2] ?? 8009);
if (!Number.isInteger(port)) {
  console.error(`The port is a whole number, got ${process.argv[2]}`);
  process.exit(2);
}

// Any bundler will do; the library needs no configuration in one.
const folder = fileURLToPath(new URL('browser', import.meta.url));
const bundle = await context({
  entryPoints: [`${folder}/page.ts`, `${folder}/trainer.ts`],
  outdir: folder,
  bundle: true,
  splitting: true,
  format: 'esm',
  write: false,
  logLevel: 'error',
});
await bundle.serve({ servedir: folder, host: '127.0.0.1', port });
console.log(`The page is at http://127.0.0.1:${port}/ (Ctrl-C ends it)`);
