import { imageSize } from 'image-size';
import { InputError } from '../errors.js';
import type { FileHandle } from '../files/fileTree.js';
import { findFile } from '../files/opfs.browser.js';
import { isUrl, mayBePrivate } from '../files/privatePath.browser.js';
import { reasonOf } from '../weights/source.js';
import type { ImageSource } from './example.js';
import { attempt, checkSize, encodedBytes, fromPixels, isPixels, nameOf } from './imageSource.js';
import * as check from './imageSource.js';
import type { DecodeOptions } from './imageSource.js';
import { rgbFromRgba } from './imagePixels.js';
import type { ImageSize, RgbImage } from './imagePixels.js';
import { decodePng, readsPng } from './imagePng.js';
import { cutOff } from './imageWhole.js';

// Scripts and vector graphics, which browsers could also open, are left out: pictures are not trusted.
const formats: readonly (string | undefined)[] = ['jpg', 'png', 'webp', 'gif', 'avif', 'heif'];

/**
 * Decodes a picture to upright 8-bit RGB: EXIF orientation is applied, alpha is dropped, colour
 * profiles are ignored, of 16 bits the upper 8 are kept, of an animation the first frame. A PNG's
 * pixels are exact; a JPEG's are those of the browser's decoder.
 *
 * @throws InputError, naming the picture, where it is missing, too large, truncated, or of another
 *   format.
 */
export async function decodeImage(source: ImageSource, options: DecodeOptions): Promise<RgbImage> {
  const name = nameOf(source);
  if (isPixels(source)) return fromPixels(source, options);
  const read = (path: string): Promise<Uint8Array> => readBytes(path, options.baseFolder);
  const bytes = await encodedBytes(source, name, read);
  const header = headerOf(bytes, name);
  checkSize(name, header, options);
  if (header.type === 'png' && readsPng(bytes)) return attempt(name, decodePng(bytes));
  const missing = cutOff(bytes, header.type);
  return attempt(name, missing === undefined ? decode(bytes, header.type) : fail(missing));
}

async function fail(reason: string): Promise<never> {
  throw new Error(reason);
}

/** The size and the format of a picture, by its first bytes alone. */
function headerOf(bytes: Uint8Array, name: string): ImageSize & { type: string } {
  let header: ReturnType<typeof imageSize> | undefined;
  try {
    header = imageSize(bytes);
  } catch {
    header = undefined;
  }
  if (header?.type !== undefined && formats.includes(header.type))
    return { width: header.width, height: header.height, type: header.type };
  throw new InputError(
    `image: ${name} must be a whole JPEG, PNG or WebP picture, got ${header?.type ?? 'something else'}`,
  );
}

async function decode(bytes: Uint8Array, type: string): Promise<RgbImage> {
  const bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), {
    imageOrientation: 'from-image',
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  });
  try {
    const { width, height } = bitmap;
    const rgba = (type === 'jpg' ? undefined : unmultiplied(bitmap)) ?? drawn(bitmap);
    return rgbFromRgba(rgba, width, height);
  } finally {
    bitmap.close();
  }
}

/** Pixels by way of a canvas, which multiplies colours with their alpha and so loses some of them. */
function drawn(bitmap: ImageBitmap): Uint8ClampedArray {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', {
    willReadFrequently: true,
  })!;
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}

let shared: WebGLRenderingContext | null | undefined;

/** Pixels by way of a texture, which leaves them as they are; undefined where there is none so large. */
function unmultiplied(bitmap: ImageBitmap): Uint8Array | undefined {
  const { width, height } = bitmap;
  shared ??= new OffscreenCanvas(1, 1).getContext('webgl');
  const gl = shared;
  if (!gl || gl.isContextLost() || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE))
    return undefined;
  const [texture, frame] = [gl.createTexture(), gl.createFramebuffer()];
  try {
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const pixels = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    return gl.getError() === gl.NO_ERROR ? pixels : undefined;
  } finally {
    gl.deleteFramebuffer(frame);
    gl.deleteTexture(texture);
  }
}

/** A file of the private file system where it is there, else what its address answers. */
async function readBytes(path: string, folder = ''): Promise<Uint8Array> {
  const inside = await findInside(path, folder);
  if (inside !== undefined) return new Uint8Array(await (await inside.getFile()).arrayBuffer());
  try {
    const base = new URL(folder.replace(/[^/]$/, '$&/'), location.href);
    const response = await fetch(new URL(path, base));
    if (!response.ok) throw new Error(`its address answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new InputError(`image: ${path} cannot be read: ${reasonOf(error)}`);
  }
}

async function findInside(path: string, folder: string): Promise<FileHandle | undefined> {
  const whole = folder === '' || isUrl(path) ? path : `${folder}/${path}`;
  return (await mayBePrivate(whole)) ? findFile(whole) : undefined;
}

/** The bytes of a picture's file, or its size and pixels. @throws InputError where it is missing */
export function contentOf(source: ImageSource): Promise<readonly (string | Uint8Array)[]> {
  return check.contentOf(source, (path) => readBytes(path));
}
