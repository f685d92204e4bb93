/** What a file is to hold; text is UTF-8. */
export type FileContent = string | Uint8Array | AsyncIterable<Uint8Array>;

/** What may go when a folder is replaced. */
export interface ReplaceOptions {
  /**
   * Whether an entry of the folder that stands there, by its name, may go without a new one in its place (default:
   * none). Any other entry is somebody else's, and stops the replacement.
   */
  readonly owns?: (name: string) => boolean;
}
