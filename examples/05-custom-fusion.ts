// A fusion of one's own: a class that answers mode `both`, registered under a name.
//   npm run example -- 5
import * as tf from '@tensorflow/tfjs-core';
import { Fusion, Linear, Trainer, evaluate, registerFusion } from 'bertresnet';
import type { FusionConfig, FusionSizes, Scope } from 'bertresnet';
import { tinyDataset, tinyModel } from './tiny/data.js';

/**
 * Gated fusion: each modality answers with its own head (`mlp_text`, `mlp_image`, which every fusion has),
 * and a gate between 0 and 1, of both features, says for each class how much the text counts.
 */
class GatedFusion extends Fusion {
  readonly gate: Linear;

  constructor(config: FusionConfig, sizes: FusionSizes, scope: Scope) {
    super(config, sizes, scope);
    // A child has a name, under which its weights are saved: gate.weight and gate.bias.
    const inputs = sizes.textSize + sizes.imageSize;
    this.gate = this.child('gate', (inner) => new Linear(inputs, sizes.classes, inner));
  }

  protected both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const gate = tf.sigmoid(this.gate.forward(tf.concat([text, image], 1))); // [batch, classes]
    const forText = tf.mul(gate, this.mlpText.forward(text));
    return tf.add(forText, tf.mul(tf.sub(1, gate), this.mlpImage.forward(image)));
  }
}

// From here on the name works everywhere: in a new model, and in a saved one that is loaded.
registerFusion('gated', (sizes, scope, config) => new GatedFusion(config, sizes, scope));

const test = tinyDataset('test', 2);
for (const fusion of ['mlp', 'gated']) {
  const model = await tinyModel(fusion);
  await new Trainer(model, { epochs: 6, batchSize: 16, learningRate: 3e-3 }).fit(
    tinyDataset('train', 8),
  );
  const { accuracy, loss } = await evaluate(model, test, { mode: 'both' });
  console.log(`${fusion.padEnd(5)} accuracy ${accuracy.toFixed(2)}, loss ${loss.toFixed(3)}`);
}
