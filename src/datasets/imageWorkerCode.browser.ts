/**
 * The code that a Worker runs which reads pictures (imageWorker.browser.ts), in one script. A build for browsers has it
 * here (scripts/browserTwins.ts); in the sources there is none.
 */
export const imageWorkerCode: string | undefined = undefined;
