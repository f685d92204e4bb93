import * as tf from '@tensorflow/tfjs-core';
import { ProjectedFusion } from './projected.js';

/** Both features projected and added: W (relu(U t) + relu(V i)), parameters `text_proj`, `image_proj`, `fc`. */
export class SumFusion extends ProjectedFusion {
  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return tf.add(text, image);
  }
}
