// Builds the page and serves it to this machine: npm run demo [-- PORT]
import { serve } from '../../scripts/browser/serve.js';
import { buildDemo } from './build.js';

console.log('Building the page…');
const folder = await buildDemo();
const { origin } = await serve(
  new Map(),
  { '/': folder },
  { port: Number(process.argv[2] ?? 8080) },
);
console.log(`It is at ${origin}/ (Ctrl-C ends it)`);
