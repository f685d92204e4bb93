import { InputError } from '../errors.js';
import type { ByteSource } from '../weights/source.js';

/** ModelProto's metadata_props. */
const metadataField = 14;
/** The longest beginning of a field: its number and its length as varints. */
const longestHead = 20;

/**
 * The custom metadata of an ONNX model, without reading its graph or its weights.
 *
 * @throws InputError where the file is no ONNX model, or is cut off.
 */
export async function readMetadata(source: ByteSource): Promise<Map<string, string>> {
  const entries = new Map<string, string>();
  for (let at = 0; at < source.size;) {
    const head = await source.read(at, Math.min(at + longestHead, source.size));
    const field = readField(head, 0, source.name);
    const [begin, end] = [at + field.begin, at + field.end];
    if (end > source.size) throw noModel(source.name, 'it ends too early');
    if (field.number === metadataField) {
      const [key, value] = readEntry(await source.read(begin, end), source.name);
      entries.set(key, value);
    }
    at = end;
  }
  return entries;
}

/** A field of a protobuf message: where its bytes are. */
interface Field {
  readonly number: number;
  readonly begin: number;
  readonly end: number;
}

function readField(bytes: Uint8Array, at: number, source: string): Field {
  const [tag, afterTag] = readVarint(bytes, at, source);
  const [number, kind] = [Math.floor(tag / 8), tag % 8];
  const [value, afterValue] =
    kind === 0 || kind === 2 ? readVarint(bytes, afterTag, source) : [0, 0];
  if (number > 0 && kind === 0) return { number, begin: afterTag, end: afterValue };
  if (number > 0 && kind === 2) return { number, begin: afterValue, end: afterValue + value };
  throw noModel(source, 'its bytes are others');
}

/** A number and where it ends; those beyond 2 ** 53 are lengths of nothing. */
function readVarint(bytes: Uint8Array, at: number, source: string): [value: number, end: number] {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw noModel(source, 'it ends too early');
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return [value, at + i + 1];
  }
  throw noModel(source, 'its bytes are others');
}

/** A StringStringEntryProto. */
function readEntry(bytes: Uint8Array, source: string): [key: string, value: string] {
  const parts = ['', ''];
  for (let at = 0; at < bytes.length;) {
    const { number, begin, end } = readField(bytes, at, source);
    if (end > bytes.length) throw noModel(source, 'its bytes are others');
    if (number <= 2) parts[number - 1] = new TextDecoder().decode(bytes.subarray(begin, end));
    at = end;
  }
  return parts as [string, string];
}

function noModel(source: string, why: string): InputError {
  return new InputError(
    `OnnxModel: ${source} must be an ONNX model, and ${why}; export it again with model.toOnnx or bertresnet export`,
  );
}
