import { InputError } from '../errors.js';
import { checkConfig, defaultConfig, resampleOf, square } from './imageConfig.js';
import type { ImageProcessorConfig, ResizeTo } from './imageConfig.js';
import type { ImageSize } from './imagePixels.js';
import { resamples } from './imageResize.js';

type SizeJson = number | number[] | Record<string, number | null>;

/** A preprocessor_config.json: the fields that are read here. */
export interface PreprocessorJson {
  image_processor_type?: string;
  feature_extractor_type?: string;
  do_resize?: boolean | null;
  size?: SizeJson | null;
  resample?: number | null;
  do_center_crop?: boolean | null;
  crop_size?: SizeJson | null;
  /** Ours: absent where it is `floor`; transformers ignores it. */
  crop_offset?: 'floor' | 'round';
  crop_pct?: number | null;
  do_rescale?: boolean | null;
  rescale_factor?: number | null;
  do_normalize?: boolean | null;
  image_mean?: number[] | null;
  image_std?: number[] | null;
  [field: string]: unknown;
}

const clip: ImageProcessorConfig = {
  ...defaultConfig,
  cropOffset: 'floor',
  resample: 'bicubic',
  size: { shortestEdge: 224 },
};
const plain: ImageProcessorConfig = {
  ...clip,
  size: square(224),
  doCenterCrop: false,
  imageMean: [0.5, 0.5, 0.5],
  imageStd: [0.5, 0.5, 0.5],
};

/** transformers' image processors that do these steps and no others, with the defaults of each. */
const families: Readonly<Record<string, ImageProcessorConfig>> = {
  BitImageProcessor: clip,
  CLIPImageProcessor: clip,
  ConvNextImageProcessor: { ...plain, size: { shortestEdge: 384 }, cropPct: 224 / 256 },
  DeiTImageProcessor: { ...plain, size: square(256), doCenterCrop: true },
  SiglipImageProcessor: plain,
  ViTImageProcessor: { ...plain, resample: 'bilinear' },
};

/** Steps of other image processors. */
const otherSteps = ['do_pad', 'do_flip_channel_order', 'do_thumbnail', 'do_align_long_axis'];

/**
 * The configuration that a preprocessor_config.json describes, with the defaults of its class.
 *
 * @param name the file, for messages.
 * @throws InputError where it is of another class, or asks for a step that is not done here.
 */
export function configFromJson(json: PreprocessorJson, name: string): ImageProcessorConfig {
  const base = familyOf(json, name);
  const asked = otherSteps.find((key) => json[key]);
  if (asked !== undefined) {
    throw new InputError(`image: ${name} asks for ${asked}, which is not supported`);
  }
  return checkConfig({
    ...base,
    ...geometryFromJson(json, base, name),
    doRescale: json.do_rescale ?? base.doRescale,
    rescaleFactor: json.rescale_factor ?? base.rescaleFactor,
    doNormalize: json.do_normalize ?? base.doNormalize,
    imageMean: json.image_mean ?? base.imageMean,
    imageStd: json.image_std ?? base.imageStd,
  });
}

function geometryFromJson(json: PreprocessorJson, base: ImageProcessorConfig, name: string) {
  const { size, crop_size: cropSize, resample } = json;
  const toSquare = !('shortestEdge' in base.size);
  return {
    doResize: json.do_resize ?? base.doResize,
    size: size == null ? base.size : sizeFromJson(size, toSquare, name),
    resample: resample == null ? base.resample : resampleOf(resample),
    doCenterCrop: json.do_center_crop ?? base.doCenterCrop,
    cropSize: cropSize == null ? base.cropSize : cropFromJson(cropSize, name),
    cropOffset: json.crop_offset === 'round' ? ('round' as const) : ('floor' as const),
    ...(base.cropPct === undefined ? {} : { cropPct: json.crop_pct ?? base.cropPct }),
  };
}

function familyOf(json: PreprocessorJson, name: string): ImageProcessorConfig {
  const named = json.image_processor_type ?? json.feature_extractor_type ?? 'none';
  const suffix = /(FeatureExtractor|ImageProcessorFast|ImageProcessorPil)$/;
  const type = named.replace(suffix, 'ImageProcessor');
  if (Object.hasOwn(families, type)) return { ...families[type]!, imageProcessorType: type };
  throw new InputError(
    `image: ${name} must have an image_processor_type among ${Object.keys(families).join(', ')}, ` +
      `got ${named}; pass an ImageProcessor with the same settings instead`,
  );
}

function sizeFromJson(value: SizeJson, toSquare: boolean, name: string): ResizeTo {
  if (typeof value === 'number') return toSquare ? square(value) : { shortestEdge: value };
  if (Array.isArray(value)) return { height: value[0] ?? NaN, width: value[1] ?? NaN };
  const given = Object.entries(value).filter((side): side is [string, number] => side[1] != null);
  const sides = new Map(given);
  const keys = [...sides.keys()].sort().join(' and ');
  if (keys === 'shortest_edge') return { shortestEdge: sides.get('shortest_edge')! };
  if (keys === 'height and width') {
    return { height: sides.get('height')!, width: sides.get('width')! };
  }
  throw new InputError(
    `image: ${name} must give sizes as shortest_edge, or as height and width, ` +
      `got ${keys || 'neither'}`,
  );
}

function cropFromJson(value: SizeJson, name: string): ImageSize {
  const size = sizeFromJson(value, true, name);
  if (!('shortestEdge' in size)) return size;
  throw new InputError(`image: ${name} must give crop_size as height and width, got shortest_edge`);
}

/** The preprocessor_config.json of a configuration, which transformers reads too. */
export function configToJson(config: ImageProcessorConfig): PreprocessorJson {
  const { size, cropPct, doCenterCrop } = config;
  const convNext = cropPct !== undefined;
  return {
    image_processor_type: convNext ? 'ConvNextImageProcessor' : config.imageProcessorType,
    do_convert_rgb: true,
    do_resize: config.doResize,
    size: 'shortestEdge' in size ? { shortest_edge: size.shortestEdge } : { ...size },
    resample: resamples.indexOf(config.resample),
    do_center_crop: doCenterCrop,
    ...(doCenterCrop ? { crop_size: { ...config.cropSize } } : {}),
    ...(doCenterCrop && config.cropOffset === 'round' ? { crop_offset: 'round' } : {}),
    ...(convNext ? { crop_pct: cropPct } : {}),
    do_rescale: config.doRescale,
    rescale_factor: config.rescaleFactor,
    do_normalize: config.doNormalize,
    image_mean: [...config.imageMean],
    image_std: [...config.imageStd],
  };
}
