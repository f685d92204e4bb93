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

/**
 * A JPEG ends with its first marker EOI (ITU-T T.81, B.1.1.3): not with one of a thumbnail, which lies in a segment
 * whose length is told, nor with what stands behind it, such as the film of a phone's motion photo.
 */
function jpegCutOff(bytes: Uint8Array): string | undefined {
  for (let at = markerFrom(bytes, 0); at < bytes.length; at = markerFrom(bytes, at)) {
    const marker = bytes[at++]!;
    if (marker === 0xd9) return undefined;
    if (!standsAlone(marker)) at += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }
  return 'its end is missing';
}

/** Where the next marker's code is, behind its 0xff: what lies before it is data of a scan. */
function markerFrom(bytes: Uint8Array, begin: number): number {
  let at = bytes.indexOf(0xff, begin);
  while (bytes[at] === 0xff) at++; // Any number of them may lead to a marker.
  return at === -1 ? bytes.length : at;
}

/** A marker without a segment: SOI, a restart or TEM; 0 says that the 0xff before it is data. */
function standsAlone(marker: number): boolean {
  return marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}
