/** A file of a commit, as the hub lists it. */
export interface HubFile {
  /** In bytes. */
  readonly size: number;
  /** Its git object. */
  readonly blobId: string;
  /** Set where it is large: its SHA-256. */
  readonly lfs?: { readonly oid: string; readonly size: number };
  readonly xetHash?: string;
}

/** The files of a commit by their names. */
export type Listing = ReadonlyMap<string, HubFile>;

/** Whether a revision is a commit, which never changes. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** The hash that names a file's content, in hexadecimal. @throws Error where it is none */
export function hashOf({ lfs, blobId }: HubFile): string {
  const hash = lfs?.oid ?? blobId;
  if (/^[0-9a-f]{40,64}$/.test(hash)) return hash;
  throw new Error(`'${hash}' is no hash`);
}

const listingVersion = 1;

interface ListedFile {
  readonly size: number;
  readonly blob_id: string;
  readonly lfs_sha256?: string;
  readonly lfs_size?: number;
  readonly xet_hash?: string;
}

/** A listing as the Python package keeps it. */
export function formatListing(listing: Listing): string {
  const files = [...listing].map(([name, { size, blobId, lfs, xetHash }]): [string, ListedFile] => [
    name,
    { size, blob_id: blobId, lfs_sha256: lfs?.oid, lfs_size: lfs?.size, xet_hash: xetHash },
  ]);
  return JSON.stringify(
    { format_version: listingVersion, files: Object.fromEntries(files) },
    null,
    1,
  );
}

/** A listing of an unknown version, or one that is damaged, is none: it can be had again. */
export function parseListing(text: string): Listing | undefined {
  try {
    const { format_version: version, files } = JSON.parse(text) as {
      format_version: number;
      files: Record<string, ListedFile>;
    };
    if (version !== listingVersion) return undefined;
    return new Map(Object.entries(files).map(([name, file]) => [name, fromListed(file)]));
  } catch {
    return undefined;
  }
}

function fromListed({
  size,
  blob_id: blobId,
  lfs_sha256: oid,
  lfs_size,
  xet_hash: xetHash,
}: ListedFile): HubFile {
  const lfs = oid === undefined ? undefined : { oid, size: lfs_size ?? size };
  return { size, blobId, lfs, xetHash };
}
