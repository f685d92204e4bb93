#!/usr/bin/env bash
# What a newcomer does: a bare `npm install` of the package in an empty folder, then a training run.
# It needs a registry, and is run by hand (`npm run test:install`), not by `npm test`.
#
# Where onnxruntime-node's own post-install script cannot reach its download, npm leaves that optional
# dependency out; training then runs on ONNX Runtime's WebAssembly build, and says how to get the native one.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

npm run --silent build -- --silent
npm pack --ignore-scripts --silent --pack-destination "$folder" >/dev/null
cd "$folder"
mkdir app
cd app
echo '{ "name": "app", "private": true, "type": "module" }' > package.json

echo '== npm install'
npm install --no-audit --no-fund ../bertresnet-*.tgz
if [ -d node_modules/onnxruntime-node ]; then
  echo 'onnxruntime-node is installed: its post-install script reached its network'
else
  echo 'onnxruntime-node was left out'
fi

echo '== a tiny model from random weights'
cat > data.mjs <<'JS'
import { mkdirSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';

mkdirSync('img', { recursive: true });
const colours = { sunny: '#ffcc00', rainy: '#3366aa' };
const rows = ['text,image,label'];
for (let i = 0; i < 24; i++) {
  const [label, background] = Object.entries(colours)[i % 2];
  const picture = sharp({ create: { width: 40, height: 40, channels: 3, background } });
  await picture.png().toFile(`img/${i}.png`);
  rows.push(`a ${label} day number ${i},img/${i}.png,${label}`);
}
writeFileSync('train.csv', rows.join('\n') + '\n');
const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'sunny', 'rainy', 'day', 'number'];
writeFileSync('vocab.txt', [...words, ...'0123456789', ...[...'0123456789'].map((d) => `##${d}`)].join('\n'));
writeFileSync('text.json', JSON.stringify({
  model_type: 'bert', vocab_size: 30, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
  intermediate_size: 32, max_position_embeddings: 32,
}));
writeFileSync('image.json', JSON.stringify({
  model_type: 'resnet', embedding_size: 8, hidden_sizes: [8, 16], depths: [1, 1], layer_type: 'basic',
}));
JS
node data.mjs
npx bertresnet train train.csv --val train.csv --scratch --text text.json --image image.json \
  --tokenizer vocab.txt --image-size 32 --epochs 3 --batch-size 8 --learning-rate 0.01 --out run
npx bertresnet evaluate run train.csv
npx bertresnet inspect run
echo '== the bare install works'
