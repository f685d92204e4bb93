// What a model sees: token ids instead of a text, normalised numbers instead of a picture.
//   npm run example -- 2
import { join } from 'node:path';
import { BertTokenizer, ImageProcessor } from 'bertresnet';
import { buildEmojiData } from './emoji/build-data.js';

const folder = await buildEmojiData(); // brings the vocabulary and some pictures

// A folder with vocab.txt or tokenizer.json, or the name of a model on the Hugging Face hub.
const tokenizer = await BertTokenizer.fromPretrained(folder);
const text = tokenizer.encode(['A photo of a cat', 'unbelievable'], { maxLength: 16 });
console.log('shape', text.inputIds.shape, '- padded to the longest of the two');
console.table(await text.inputIds.array());
console.table(await text.attentionMask.array()); // 1: a token, 0: padding

// Without a configuration this would be 224 x 224 pixels with CLIP's mean and deviation.
const processor = new ImageProcessor({
  size: { height: 64, width: 64 },
  doCenterCrop: false,
  imageMean: [0.5, 0.5, 0.5],
  imageStd: [0.5, 0.5, 0.5],
});
const image = await processor.process([
  join(folder, 'img/1f408.png'),
  join(folder, 'img/1f436.png'),
]);
console.log('shape', image.shape, '- [pictures, height, width, channels]');

const pixels = await image.data();
console.log('from', Math.min(...pixels).toFixed(2), 'to', Math.max(...pixels).toFixed(2));
