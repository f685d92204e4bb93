import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { belowOne } from '../schema.js';
import { Fusion } from './fusion.js';
import type { Features, FusionContext, FusionNeeds, FusionSizes, OptionsOf } from './fusion.js';
import { extendMask, firstOf, maskOf, needSequence, requireNeeds } from './sequences.js';

const options = v.strictObject({ dropout: v.optional(belowOne, 0.1) });

/**
 * Multimodal bitransformer (MMBT, Kiela et al. 2019): the regions of the picture, projected to the width of words, go
 * through BERT together with the text, and [CLS] answers.
 *
 *     x = BERT layers([embed(text); embed(U regions)]), logits = W x_0
 *
 * The regions have positions from 0 on and the last token type. Differing from the authors' code, they stand behind the text
 * rather than before it, so that BERT meets the text as it was pretrained, and all places of the ResNet's last map are used
 * rather than a pool of them. Parameters `img_embeddings` (U), `clf` (W); BERT's are the text encoder's own, so there is little
 * in this fusion while that is frozen.
 */
export class MmbtFusion extends Fusion {
  static readonly options = options;
  readonly imageEmbeddings: Linear;
  readonly classifier: Linear;
  readonly #dropout: number;

  /** @throws InputError where the text encoder lends no layers, or the visual encoder gives no regions */
  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    requireNeeds(config, 'layers', sizes);
    super(config, sizes, scope);
    const [width, regionSize] = [sizes.layerSize!, sizes.regionSize!];
    this.imageEmbeddings = this.child(
      'img_embeddings',
      (inner) => new Linear(regionSize, width, inner),
    );
    this.classifier = this.child('clf', (inner) => new Linear(width, sizes.classes, inner));
    this.#dropout = config.dropout;
  }

  override get needs(): FusionNeeds {
    return 'layers';
  }

  protected override both(
    _text: tf.Tensor2D,
    _image: tf.Tensor2D,
    context: FusionContext,
    features: Features,
  ): tf.Tensor2D {
    const { textLayers } = context;
    if (textLayers === undefined) throw new Error('internal: mmbt was lent no layers');
    const words = needSequence(features, 'textEmbeddings'); // [batch, length, width]
    const regions = needSequence(features, 'imageRegions');
    const pictures = textLayers.embed(this.imageEmbeddings.forward(regions), context);
    const mask = extendMask(maskOf(features, words), 0, regions.shape[1]);
    const x = textLayers.run(tf.concat([words, pictures], 1), mask, context);
    return this.classifier.forward(dropout(firstOf(x), this.#dropout, context));
  }
}
