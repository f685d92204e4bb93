/** A SHA-256 that is fed piece by piece; text counts as its UTF-8. */
export interface Hash {
  update(part: string | ArrayBufferView): this;
  /** Its 32 bytes; nothing may be added afterwards. */
  digest(): Uint8Array;
}

/** Bytes in hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
