import { InputError, messageOf } from '../errors.js';
import { dtypes } from './dtypes.js';
import { duplicateKey } from './jsonKeys.js';

/** Where a tensor's bytes lie: from `begin` up to `end`, counted from the end of the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What the header of a safetensors file says; the entries are in the order of their bytes. */
export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  readonly entries: readonly TensorEntry[];
  /** Where the tensors' bytes begin in the file. */
  readonly dataStart: number;
}

/** The reference implementation's limit, in bytes. */
const longestHeader = 100_000_000;
/** A header begins behind its own length, a little-endian uint64. */
export const lengthBytes = 8;

/**
 * The length in bytes of the header's JSON, which begins at byte 8.
 *
 * @param start at least the first 8 bytes of the file, `fileSize` its length.
 * @throws InputError where the file is shorter than that, or the length is above the format's limit.
 */
export function headerLength(start: Uint8Array, fileSize: number, file: string): number {
  const available = fileSize - lengthBytes;
  if (available < 0)
    throw broken(file, `it must be at least 8 bytes, got ${fileSize}; is it truncated?`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(longestHeader)) {
    throw broken(
      file,
      `its header must be at most ${longestHeader} bytes, got ${length}; is it safetensors?`,
    );
  }
  if (length <= available) return Number(length);
  throw broken(
    file,
    `its header should take ${length} bytes, but ${available} follow; is it truncated?`,
  );
}

/**
 * Reads and checks a header as the reference implementation does (https://github.com/huggingface/safetensors):
 * JSON, and tensors that cover the rest of the file without gap or overlap.
 *
 * @throws InputError, naming file and tensor, where any of it is not so.
 */
export function parseHeader(bytes: Uint8Array, fileSize: number, file: string): Header {
  const dataStart = lengthBytes + bytes.length;
  const { __metadata__: metadata, ...tensors } = parseObject(textOf(bytes, file), file);
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value, file));
  return {
    metadata: parseMetadata(metadata, file),
    entries: inOrder(entries, fileSize - dataStart, file),
    dataStart,
  };
}

/** A header's bytes, its length before it, padded with spaces so that the data behind it is 8-byte aligned. */
export function writeHeader({
  metadata,
  entries,
}: Pick<Header, 'metadata' | 'entries'>): Uint8Array {
  const fields = entries.map(({ name, dtype, shape, begin, end }): [string, object] => [
    name,
    { dtype, shape, data_offsets: [begin, end] },
  ]);
  if (Object.keys(metadata).length > 0) fields.unshift(['__metadata__', metadata]);
  // Not JSON.stringify of an object, which would put names such as '0' first.
  const members = fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > longestHeader) {
    throw new InputError(
      `writeSafetensors: the header must be at most ${longestHeader} bytes, got ${length}`,
    );
  }
  const bytes = new Uint8Array(lengthBytes + length).fill(' '.charCodeAt(0));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, lengthBytes);
  return bytes;
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw broken(file, 'its header is not UTF-8; is it safetensors?');
  }
}

function parseObject(json: string, file: string): Record<string, unknown> {
  const value = parseJson(json, file);
  if (!isObject(value)) throw broken(file, 'its header must be a JSON object; is it safetensors?');
  const duplicate = duplicateKey(json);
  if (duplicate !== undefined) throw broken(file, `its header holds '${duplicate}' twice`);
  return value;
}

function parseJson(json: string, file: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw broken(file, `its header is not valid JSON (${messageOf(error)}); is it safetensors?`);
  }
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (isObject(value) && Object.values(value).every((text) => typeof text === 'string')) {
    return value as Record<string, string>;
  }
  throw broken(file, '__metadata__ must be an object of strings');
}

function parseEntry(name: string, value: unknown, file: string): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  const fail = (why: string): InputError => broken(file, `tensor '${name}': ${why}`);
  if (typeof dtype !== 'string') throw fail(`dtype must be a string, got ${show(dtype)}`);
  if (!Object.hasOwn(dtypes, dtype)) {
    throw fail(
      `the type ${dtype} is not supported; save it as one of ${Object.keys(dtypes).join(', ')}`,
    );
  }
  if (!isSizes(shape)) throw fail(`shape must be a list of integers from 0, got ${show(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fail(`data_offsets must be two integers from 0, got ${show(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const size = shape.reduce((product, length) => product * length, dtypes[dtype]!.itemSize);
  if (end - begin !== size) {
    throw fail(
      `${dtype} of shape ${show(shape)} takes ${size} bytes, but data_offsets are ${show(offsets)}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** Sorts by place; the tensors must follow each other without gap or overlap, to the last byte. */
function inOrder(entries: readonly TensorEntry[], size: number, file: string): TensorEntry[] {
  const sorted = entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end);
  let [reached, before] = [0, 'the header'];
  for (const { name, begin, end } of sorted) {
    const fail = (why: string): InputError => broken(file, `tensor '${name}': ${why}`);
    if (end > size)
      throw fail(`it ends at byte ${end} of the data, which has ${size}; is the file truncated?`);
    if (begin < reached)
      throw fail(`it begins at byte ${begin} of the data and overlaps '${before}'`);
    if (begin > reached)
      throw fail(`${begin - reached} unused bytes lie between it and '${before}'`);
    [reached, before] = [end, name];
  }
  if (reached < size)
    throw broken(file, `${size - reached} bytes behind the last tensor belong to none`);
  return sorted;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

function broken(file: string, why: string): InputError {
  return new InputError(`safetensors: ${file}: ${why}`);
}
