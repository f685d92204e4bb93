import { InputError } from '../errors.js';
import { isFolder, listFolder, openFile, recoverFolder } from '../weights/files.node.js';
import type { ByteSource } from '../weights/source.js';

const pieceBytes = 8 * 2 ** 20;

/**
 * A folder as a zip, to be downloaded: in a browser one of the private file system, such as a run or a saved model. It
 * unpacks to a folder that Node and PyTorch read. Files and folders whose names begin with a dot are left out.
 *
 * @throws InputError where there is no such folder.
 */
export async function zipFolder(path: string): Promise<Blob> {
  if (!(await isFolder(path))) throw new InputError(`zipFolder: there is no folder ${path}`);
  const { BlobWriter, ZipWriter } = await import('@zip.js/zip.js');
  const writer = new ZipWriter(new BlobWriter('application/zip'), { useWebWorkers: false });
  for (const name of await filesIn(path, '')) {
    const file = await openFile(`${path}/${name}`);
    try {
      // Weights do not become smaller.
      const level = name.endsWith('.safetensors') ? 0 : 6;
      await writer.add(name, streamOf(file), { level });
    } finally {
      await file.close();
    }
  }
  return writer.close();
}

async function filesIn(root: string, folder: string): Promise<string[]> {
  await recoverFolder(`${root}/${folder}`);
  const names: string[] = [];
  for (const name of await listFolder(`${root}/${folder}`)) {
    if (name.startsWith('.') || name.endsWith('.crswap')) continue;
    const path = `${folder}${name}`;
    if (await isFolder(`${root}/${path}`)) names.push(...(await filesIn(root, `${path}/`)));
    else names.push(path);
  }
  return names;
}

function streamOf(file: ByteSource): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      if (at >= file.size) return controller.close();
      const end = Math.min(file.size, at + pieceBytes);
      controller.enqueue(await file.read(at, end));
      at = end;
    },
  });
}
