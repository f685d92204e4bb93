// A small application as its user writes it: nothing here is for a bundler, or for Node.
import {
  BertResNetModel,
  BertTokenizer,
  CsvDataset,
  ImageProcessor,
  Trainer,
  evaluate,
  useBackend,
} from 'bertresnet';

/** Plain pictures of 8 x 8 pixels: PNG, red and blue. */
const pictures = {
  'red.png':
    'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4XmP4z4AdofMHuQQAKP8/wY8EP7UAAAAASUVORK5CYII=',
  'blue.png':
    'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4XmNgYPiPA6HzB7UEAKlwP8HXMlrKAAAAAElFTkSuQmCC',
};

const csv = `text,img_path,tag
warm,red.png,fire
hot and warm,red.png,fire
cold,blue.png,water
wet and cold,blue.png,water
`;

const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'warm', 'hot', 'cold', 'wet', 'and'];

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Trains a tiny model on four rows, and answers two of them. */
export async function learn(backend, options) {
  const chosen = await useBackend(backend, options);
  const files = new Map(
    Object.entries(pictures).map(([name, base64]) => [name, new Blob([bytesOf(base64)])]),
  );
  const rows = await CsvDataset.open(new Blob([csv]), { files });
  const model = new BertResNetModel({
    labels: rows.labels,
    text: {
      hiddenSize: 8,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 16,
      vocabSize: words.length,
      maxPositionEmbeddings: 16,
    },
    image: { embeddingSize: 4, hiddenSizes: [8], depths: [1], layerType: 'basic' },
    hiddenSize: 8,
    tokenizer: await BertTokenizer.fromVocab(words),
    processor: new ImageProcessor({ size: 8 }),
  });
  const trainer = new Trainer(model, { epochs: 20, batchSize: 4, learningRate: 0.05 });
  const history = await trainer.fit(rows);
  const report = await evaluate(model, rows);
  const answers = await model.predict([
    { text: 'hot', image: bytesOf(pictures['red.png']) },
    { text: 'wet' },
  ]);
  let refused;
  try {
    model.loadStateDict({});
  } catch (error) {
    refused = error.message;
  }
  return {
    backend: chosen,
    losses: history.map(({ loss }) => loss),
    accuracy: report.accuracy,
    answers: answers.map(({ label }) => label),
    refused,
  };
}
