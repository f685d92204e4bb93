/**
 * What a page that trains and evaluates loads with itself. For no one to import: as an entry of the build for browsers
 * it keeps this in chunks of its own, apart from what is loaded when it is needed (tsup.config.ts).
 */
export { BertResNetModel } from '../model.js';
export { evaluate } from '../training/evaluate.js';
export { Trainer } from '../training/trainer.js';
