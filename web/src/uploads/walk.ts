// Folders that were dropped or chosen, file after file. It is fetched only when there is one.
import type { Found } from './collect';
import type { FileHandle, FolderHandle } from './kept';

export async function* walk(folder: FileSystemDirectoryEntry): AsyncGenerator<Found> {
  const reader = folder.createReader();
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((ok, fail) => reader.readEntries(ok, fail)); // some at a time
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (entry.isDirectory) yield* walk(entry as FileSystemDirectoryEntry);
      else {
        const file = await new Promise<File>((ok, fail) => (entry as FileSystemFileEntry).file(ok, fail));
        yield { file, path: entry.fullPath.replace(/^\//, '') };
      }
    }
  }
}

/** Of a folder that can be read again after a reload. Leave for `root` is leave for all that is in it. */
export async function* walkHandles(
  folder: FolderHandle,
  path = folder.name + '/',
  root = folder,
): AsyncGenerator<Found> {
  for await (const one of folder.values()) {
    if (one.kind === 'directory') yield* walkHandles(one as FolderHandle, `${path}${one.name}/`, root);
    else {
      const handle = one as FileHandle;
      yield { file: await handle.getFile(), path: path + handle.name, handle, root };
    }
  }
}
