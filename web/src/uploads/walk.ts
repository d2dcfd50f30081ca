// Folders that were dropped or chosen, file after file. It is fetched only when there is one.
import type { Found, Unread } from './collect';
import type { FileHandle, FolderHandle } from './kept';

export async function* walk(folder: FileSystemDirectoryEntry): AsyncGenerator<Found | Unread> {
  const reader = folder.createReader();
  for (;;) {
    const entries = await entriesOf(reader).catch(() => undefined);
    if (!entries) yield { path: pathOf(folder) + '/' };
    if (!entries?.length) return;
    for (const entry of entries) {
      if (entry.isDirectory) yield* walk(entry as FileSystemDirectoryEntry);
      else {
        const file = await fileOf(entry as FileSystemFileEntry).catch(() => undefined);
        yield file ? { file, path: pathOf(entry) } : { path: pathOf(entry) };
      }
    }
  }
}

/** Some at a time; none when all have been given. */
function entriesOf(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((ok, fail) => reader.readEntries(ok, fail));
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((ok, fail) => entry.file(ok, fail));
}

const pathOf = (entry: FileSystemEntry) => entry.fullPath.replace(/^\//, '');

/** Of a folder that can be read again after a reload. Leave for `root` is leave for all that is in it. */
export async function* walkHandles(
  folder: FolderHandle,
  path = folder.name + '/',
  root = folder,
): AsyncGenerator<Found | Unread> {
  try {
    for await (const one of folder.values()) {
      if (one.kind === 'directory') yield* walkHandles(one as FolderHandle, `${path}${one.name}/`, root);
      else yield* read(one as FileHandle, path + one.name, root);
    }
  } catch {
    yield { path };
  }
}

/** One file by its handle. */
export async function* read(
  handle: FileHandle,
  path = handle.name,
  root?: FolderHandle,
): AsyncGenerator<Found | Unread> {
  const file = await handle.getFile().catch(() => undefined);
  yield file ? { file, path, handle, ...(root ? { root } : {}) } : { path };
}
