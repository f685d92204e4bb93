import { describe, expect, test } from 'vitest';
import { bertConfig, bertConfigFromJson } from '../../src/encoders/bertConfig.js';
import { resNetConfig, resNetConfigFromJson } from '../../src/encoders/resnetConfig.js';

describe('BERT', () => {
  test('known sizes', () => {
    expect(bertConfig('bert-base-uncased')).toMatchObject({
      hiddenSize: 768,
      numHiddenLayers: 12,
      vocabSize: 30522,
    });
    expect(bertConfig('bert-large-cased')).toMatchObject({
      hiddenSize: 1024,
      numAttentionHeads: 16,
      intermediateSize: 4096,
    });
    expect(bertConfig('bert-tiny')).toMatchObject({
      hiddenSize: 128,
      numAttentionHeads: 2,
      numHiddenLayers: 2,
    });
    expect(() => bertConfig('bert-huge')).toThrow(
      /'bert-huge' is not a known size \(bert-base-uncased, .*create/,
    );
  });

  test('unfit fields', () => {
    expect(() => bertConfig({ hiddenSize: 10, numAttentionHeads: 3 })).toThrow(
      /must divide hiddenSize, got 3 and 10/,
    );
    expect(() => bertConfig({ hiddenSize: 0 })).toThrow(
      /hiddenSize must be an integer >= 1, got 0/,
    );
    expect(() => bertConfig({ numHiddenLayers: 1.5 })).toThrow(/numHiddenLayers/);
    expect(() => bertConfig({ hiddenAct: 'mish' as never })).toThrow(
      /one of relu, gelu, .*got 'mish'/,
    );
    for (const pooling of ['min', ['mean', 'min'], [], ['cls', 'cls'], 7]) {
      expect(() => bertConfig({ pooling: pooling as never })).toThrow(
        /pooling must be one of cls, mean, max/,
      );
    }
    for (const pooling of ['cls', ['mean', 'cls'], [], ['max', 'max'], 7]) {
      expect(() => resNetConfig({ pooling: pooling as never })).toThrow(
        /resnet: pooling must be one of mean, max/,
      );
    }
    expect(() => bertConfig({ hiddenDropoutProb: 1 })).toThrow(
      /hiddenDropoutProb must be in \[0, 1\), got 1/,
    );
    expect(() => bertConfig({ hidden_size: 8 } as never)).toThrow(/unknown field hidden_size/);
  });

  test('files of Hugging Face', () => {
    const json = {
      model_type: 'bert',
      hidden_size: 24,
      num_attention_heads: 3,
      hidden_act: 'gelu_new',
      use_cache: true,
    };
    expect(bertConfigFromJson(json, 'f')).toMatchObject({
      hiddenSize: 24,
      hiddenAct: 'gelu_new',
      vocabSize: 30522,
    });
  });

  test.each([
    [{ model_type: 'roberta' }, /f is of the family 'roberta'.*use google-bert\/bert-base-cased/],
    [{ model_type: 'distilbert' }, /'distilbert'.*all-MiniLM/],
    [{ model_type: 'bertresnet' }, /BertResNetModel.fromPretrained/],
    [{ position_embedding_type: 'relative_key' }, /'relative_key'.*only 'absolute'/],
    [{ is_decoder: true }, /decoder/],
  ])('%j is refused by name', (json, message) => {
    expect(() => bertConfigFromJson(json, 'f')).toThrow(message);
  });
});

describe('ResNet', () => {
  test('known sizes', () => {
    expect(resNetConfig('resnet18')).toMatchObject({
      layerType: 'basic',
      hiddenSizes: [64, 128, 256, 512],
    });
    expect(resNetConfig('resnet152')).toMatchObject({
      layerType: 'bottleneck',
      depths: [3, 8, 36, 3],
    });
    expect(() => resNetConfig('resnet20')).toThrow(
      /'resnet20' is not a known size \(resnet18, resnet34/,
    );
  });

  test('unfit fields', () => {
    expect(() => resNetConfig({ depths: [1, 1] })).toThrow(/lists of one length/);
    expect(() => resNetConfig({ depths: [1, 1, 0, 1] })).toThrow(
      /depths must be an integer >= 1, got 0/,
    );
    expect(() => resNetConfig({ layerType: 'wide' as never })).toThrow(
      /layerType must be one of basic, bottleneck/,
    );
    expect(() => resNetConfig({ hiddenSizes: [2, 4, 4, 4] })).toThrow(/at least 4, got 2/);
  });

  test('files of Hugging Face and timm', () => {
    const json = {
      model_type: 'resnet',
      depths: [1, 1],
      hidden_sizes: [8, 12],
      downsample_in_bottleneck: true,
    };
    expect(resNetConfigFromJson(json, 'f')).toMatchObject({
      depths: [1, 1],
      downsampleInBottleneck: true,
    });
    expect(resNetConfigFromJson({ architecture: 'resnet34' }, 'f')).toEqual(
      resNetConfig('resnet34'),
    );
  });

  test.each([
    [{ model_type: 'vit' }, /family 'vit'.*use microsoft\/resnet-50/],
    [{ architecture: 'resnet50d' }, /'resnet50d'/],
    [{ model_type: 'resnet', num_channels: 1 }, /reads 1 channels/],
  ])('%j is refused by name', (json, message) => {
    expect(() => resNetConfigFromJson(json, 'f')).toThrow(message);
  });
});
