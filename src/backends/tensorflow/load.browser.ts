import { unavailable } from '../../unavailable.browser.js';

/** TensorFlow's native library is for Node. */
export async function loadTensorFlow(): Promise<void> {
  throw unavailable('useBackend', "TensorFlow's native library");
}
