/** What a page that reads rows loads with itself: as training.ts beside it. */
export { useBackend } from '../backends/select.js';
export { CsvDataset } from '../datasets/csv.js';
export { ImageProcessor } from '../datasets/image.js';
export { BertTokenizer } from '../datasets/tokenizer.js';
