// What a drop or a choice holds: files, and those of folders, found one after the other so that a folder of many
// thousands does not stop the page.
import { staleError } from '../api/error';
import type { Handle, FileHandle, FolderHandle } from './kept';

export interface Found {
  file: File;
  /** Within a folder that was dropped: `run/a.bin`. */
  path: string;
  /** Reads the file again after a reload, where the browser can. */
  handle?: FileHandle;
  /** The folder that it was found in. */
  root?: FolderHandle;
}

/** What could not be read: a file, or a folder (its path ends with `/`). What is beside it is found all the same. */
export interface Unread {
  file?: undefined;
  path: string;
}

interface Item extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<Handle | null>;
}

export async function* collect(items: DataTransfer): AsyncGenerator<Found | Unread> {
  // All has to be taken before the first pause: the browser forgets it then.
  const dropped = [...items.items]
    .filter((item) => item.kind === 'file')
    .map((item: Item) => ({
      entry: item.webkitGetAsEntry?.() ?? null,
      file: item.getAsFile(),
      handle: item.getAsFileSystemHandle?.().catch(() => null),
    }));
  for (const { entry, file, handle: coming } of dropped) {
    const handle = await coming;
    if (handle?.kind === 'directory') yield* (await walker()).walkHandles(handle as FolderHandle);
    else if (entry?.isDirectory) yield* (await walker()).walk(entry as FileSystemDirectoryEntry);
    else if (file) yield { file, path: file.name, ...(handle ? { handle: handle as FileHandle } : {}) };
  }
}

const walker = () =>
  import('./walk').catch(() => {
    throw staleError();
  });

export function* chosen(files: Iterable<File>): Generator<Found> {
  for (const file of files) yield { file, path: file.webkitRelativePath || file.name };
}

/** Files that file managers leave in folders, and hidden ones, are nobody's recordings. */
export function isClutter(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.startsWith('.') || /^(thumbs\.db|desktop\.ini)$/i.test(name);
}
