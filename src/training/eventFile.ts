import { ProtobufWriter } from '../protobuf.js';

/** One point of a run, as TensorBoard's event.proto has it: times are seconds since 1970. */
export interface Event {
  readonly wallTime: number;
  readonly step: number;
  /** Figures by tag. */
  readonly scalars?: Readonly<Record<string, number>>;
  /** The version of the format; the first event of a file has it, and nothing else. */
  readonly fileVersion?: string;
  /** Whether a session begins at this step: what earlier files have of it and of later ones is outdated. */
  readonly starts?: boolean;
}

/** The fields of event.proto and summary.proto (tensorflow/core). */
const field = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const summaryField = { value: 1 } as const;
const valueField = { tag: 1, simpleValue: 2 } as const;
const sessionField = { status: 1 } as const;
const sessionStart = 1;

/** An event as the bytes of its message. */
export function encodeEvent({ wallTime, step, scalars, fileVersion, starts }: Event): Uint8Array {
  const event = new ProtobufWriter().double(field.wallTime, wallTime);
  if (step !== 0) event.int(field.step, step);
  if (fileVersion !== undefined) event.string(field.fileVersion, fileVersion);
  if (starts === true) {
    event.message(field.sessionLog, (log) => void log.int(sessionField.status, sessionStart));
  }
  if (scalars !== undefined) {
    event.message(field.summary, (summary) => {
      for (const [tag, figure] of Object.entries(scalars)) {
        summary.message(summaryField.value, (value) => {
          value.string(valueField.tag, tag).float(valueField.simpleValue, figure);
        });
      }
    });
  }
  return event.finish();
}

/** A record of a TFRecord file: its length, the data, and a checksum of each. */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(12 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

/** Rotated and shifted, so that a checksum of data that holds checksums is none of theirs. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, its bits reversed. */
const polynomial = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? polynomial : 0);
  return rest;
});

/** CRC-32C (RFC 3720), which is not the CRC-32 of zip files. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}
