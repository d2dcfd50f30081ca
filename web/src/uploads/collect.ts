// What a drop or a choice holds: files, and those of folders, found one after the other so that a folder of many
// thousands does not stop the page.

export interface Found {
  file: File;
  /** Within a folder that was dropped: `run/a.bin`. */
  path: string;
}

export async function* collect(items: DataTransfer): AsyncGenerator<Found> {
  // Entries have to be taken before the first pause: the browser forgets them then.
  const entries = [...items.items]
    .filter((item) => item.kind === 'file')
    .map((item) => ({ entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile() }));
  for (const { entry, file } of entries) {
    if (entry?.isDirectory) yield* walk(entry as FileSystemDirectoryEntry);
    else if (file) yield { file, path: file.name };
  }
}

async function* walk(folder: FileSystemDirectoryEntry): AsyncGenerator<Found> {
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

export function* chosen(files: Iterable<File>): Generator<Found> {
  for (const file of files) yield { file, path: file.webkitRelativePath || file.name };
}

/** Files that file managers leave in folders, and hidden ones, are nobody's recordings. */
export function isClutter(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.startsWith('.') || /^(thumbs\.db|desktop\.ini)$/i.test(name);
}
