import * as tf from '@tensorflow/tfjs-core';
import { ProjectedFusion } from './projected.js';

/** Both features projected, the larger of each two elements taken: W max(relu(U t), relu(V i)). */
export class MaxFusion extends ProjectedFusion {
  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return tf.maximum(text, image);
  }
}
