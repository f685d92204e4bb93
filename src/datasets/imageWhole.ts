/**
 * Why the bytes of a picture cannot be all of it, if so: browsers decode what there is of a file that
 * was cut off, and leave the rest grey.
 */
export function cutOff(bytes: Uint8Array, type: string): string | undefined {
  if (type === 'jpg') return jpegCutOff(bytes);
  if (type !== 'webp') return undefined;
  const { buffer, byteOffset } = bytes;
  const size = 8 + new DataView(buffer, byteOffset).getUint32(4, true); // RIFF, and the size of the rest.
  return size > bytes.length ? `it has ${bytes.length} of ${size} bytes` : undefined;
}

/** A JPEG ends with the marker EOI (ITU-T T.81, B.1.1.3); behind its last scan begins no other. */
function jpegCutOff(bytes: Uint8Array): string | undefined {
  const end = lastMarker(bytes, 0xd9);
  return end > lastMarker(bytes, 0xda) ? undefined : 'its end is missing';
}

function lastMarker(bytes: Uint8Array, marker: number): number {
  for (let at = bytes.lastIndexOf(marker); at > 0; at = bytes.lastIndexOf(marker, at - 1))
    if (bytes[at - 1] === 0xff) return at;
  return -1;
}
