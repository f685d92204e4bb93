/** Configurations as transformers names them, for both sides of a comparison. */

/** A BERT of so many layers, `hidden_size` wide. */
export const bertConfig = (
  hidden_size: number,
  num_hidden_layers: number,
  num_attention_heads: number,
) => ({
  vocab_size: 30522,
  hidden_size,
  num_hidden_layers,
  num_attention_heads,
  intermediate_size: 4 * hidden_size,
});

/** A ResNet of bottlenecks; ResNet-50 is (64, [3, 4, 6, 3]). */
export const bottleneckConfig = (embedding_size: number, depths: readonly number[]) => ({
  embedding_size,
  hidden_sizes: [4, 8, 16, 32].map((factor) => factor * embedding_size),
  depths,
  layer_type: 'bottleneck',
});
