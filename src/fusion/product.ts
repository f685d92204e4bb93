import * as tf from '@tensorflow/tfjs-core';
import { ProjectedFusion } from './projected.js';

/** Both features projected and multiplied: W (relu(U t) * relu(V i)): what is there must be there in both. */
export class ProductFusion extends ProjectedFusion {
  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return tf.mul(text, image);
  }
}
