/** What a run needs of the other rooms: it is loaded with the first `fit`. */
export { duplicateRows } from '../datasets/csvHash.js';
export { planRun } from './plan.js';
export { chooseProgress } from './progress.js';
export { TrainingRun } from './run.js';
