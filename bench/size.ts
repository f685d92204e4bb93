// What our own code weighs in a page, minified by Vite and behind gzip: npm run bench:size
import { join } from 'node:path';
import { bundleSize, programOf } from '../scripts/bundleSize.js';
import type { BundleSize } from '../scripts/bundleSize.js';

const browserFolder = join(import.meta.dirname, '../dist/browser');
const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(1).padStart(8);

const programs: Readonly<Record<string, string>> = {
  'BertResNetModel, Trainer, evaluate': programOf('BertResNetModel', 'Trainer', 'evaluate'),
  'and useBackend, CsvDataset, BertTokenizer, ImageProcessor': programOf(
    ...['BertResNetModel', 'Trainer', 'evaluate'],
    ...['useBackend', 'CsvDataset', 'BertTokenizer', 'ImageProcessor'],
  ),
  'all that is exported': `import * as all from 'bertresnet'; console.log(all);`,
  'bertresnet/onnxruntime': `import 'bertresnet/onnxruntime';`,
};

const sizes: Record<string, BundleSize> = {};
for (const [name, program] of Object.entries(programs)) {
  sizes[name] = await bundleSize(program, browserFolder);
}
console.log('Loaded with the page, kB (1000 bytes) behind gzip');
console.log('     own  engine  tfjs gradients   sum   an application that imports');
for (const [name, { own, engine, gradients }] of Object.entries(sizes)) {
  const columns = [own, engine, gradients, own + engine + gradients].map(kilobytes);
  console.log(`${columns.join('')}   ${name}`);
}
const [[name, { late }]] = Object.entries(sizes) as [[string, BundleSize]];
console.log(`\nLoaded when it is needed, of ${name}`);
for (const { name: chunk, gzip } of late) console.log(`${kilobytes(gzip)}  ${chunk}`);
