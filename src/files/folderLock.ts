/** What releases a folder that was locked, or who has it instead. */
export type FolderLock = { readonly release: () => void } | { readonly holder: string };
