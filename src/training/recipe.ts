import { notebookAugmentation } from '../datasets/augmentation.js';
import type { ModelOptions } from '../modelOptions.js';
import type { TrainingOptions } from './options.js';

/** What a model and a trainer are given to repeat a published experiment. */
export interface Recipe {
  /** For `new BertResNetModel`, or with pretrained folders for `BertResNetModel.create`. */
  readonly model: Pick<ModelOptions, 'fusion' | 'hiddenSize' | 'seed'> & {
    readonly text: string;
    readonly image: string;
  };
  /** For `new Trainer`. */
  readonly training: TrainingOptions;
}

/**
 * The recipe of the PyTorch notebook that this library began as: BERT-base and ResNet-50 with a
 * two-input MLP of 512, AdamW at 1e-5 with weight decay 0.01 on everything, a cosine to 0 without
 * warm-up, batches of 4, 5 epochs, texts cut at 258 tokens, RandomResizedCrop(scale 0.5 to 1) and
 * horizontal flips, seed 42, rows shuffled whatever their length, no clipping.
 *
 * Unlike there, the heads of text alone and image alone are trained too. Their losses do not reach
 * the encoders, and Adam scales each parameter by itself, so the model of both inputs is trained
 * exactly as in the notebook.
 *
 * ```ts
 * const { model, training } = notebookRecipe();
 * const tuned = await BertResNetModel.create({ ...model, labels: train.labels });
 * const trainer = new Trainer(tuned, { ...training, outputDir: 'results/notebook' });
 * await trainer.fit(train, { validation });
 * ```
 */
export function notebookRecipe(): Recipe {
  return {
    model: {
      text: 'bert-base-uncased',
      image: 'resnet50',
      fusion: 'mlp',
      hiddenSize: 512,
      seed: 42,
    },
    training: {
      epochs: 5,
      batchSize: 4,
      learningRate: 1e-5,
      weightDecay: 0.01,
      decay: 'all',
      schedule: 'cosine',
      warmupSteps: 0,
      maxGradNorm: 0,
      maxLength: 258,
      groupByLength: false,
      augment: notebookAugmentation,
      auxiliary: { weight: 1, reachEncoders: false },
      seed: 42,
    },
  };
}
