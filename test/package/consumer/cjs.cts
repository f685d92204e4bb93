import tf = require('@tensorflow/tfjs-core');
import bertresnet = require('bertresnet');

const { AdamW, BertResNetModel, useBackend } = bertresnet;

async function main(): Promise<void> {
  const backend: string = await useBackend('cpu');
  const model: bertresnet.BertResNetModel = new BertResNetModel({
    labels: ['no', 'yes'],
    text: {
      hiddenSize: 8,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 16,
      vocabSize: 11,
      maxPositionEmbeddings: 8,
    },
    image: { embeddingSize: 4, hiddenSizes: [4, 8], depths: [1, 1], layerType: 'basic' },
  });
  const inputIds = tf.tensor2d([[2, 5, 3]], [1, 3], 'int32');
  const logits: tf.Tensor = model.forward(
    { text: { inputIds } },
    { mode: 'text', training: false },
  );
  const optimizer: tf.Optimizer = new AdamW({ learningRate: 1e-3 });
  console.log(
    JSON.stringify({
      backend,
      shape: logits.shape,
      values: (await logits.data()).length,
      oneTensorFlow: logits instanceof tf.Tensor && optimizer instanceof tf.Optimizer,
      parameters: model.namedParameters().size > 0,
    }),
  );
}

void main();
