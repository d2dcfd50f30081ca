// The browser's own choosers of files that can be read again after a reload; elsewhere the fields of the page do it.
import type { Found, Unread } from './collect';
import type { FileHandle, FolderHandle } from './kept';
import { read, walkHandles } from './walk';

interface Pickers {
  showOpenFilePicker?(options: { multiple: boolean }): Promise<FileHandle[]>;
  showDirectoryPicker?(): Promise<FolderHandle>;
}

/** Opens the chooser in the place of a field's own; undefined where the browser has none, and the field goes on. */
export function pick(
  e: Event,
  folder: boolean,
  from: Pickers = window as Pickers,
): AsyncGenerator<Found | Unread> | undefined {
  if (!from.showOpenFilePicker || !from.showDirectoryPicker) return undefined;
  e.preventDefault();
  return folder ? ofFolder(from.showDirectoryPicker()) : ofFiles(from.showOpenFilePicker({ multiple: true }));
}

async function* ofFiles(choice: Promise<FileHandle[]>): AsyncGenerator<Found | Unread> {
  for (const handle of (await answered(choice)) ?? []) yield* read(handle);
}

async function* ofFolder(choice: Promise<FolderHandle>): AsyncGenerator<Found | Unread> {
  const folder = await answered(choice);
  if (folder) yield* walkHandles(folder);
}

/** Nothing where nothing was chosen. */
async function answered<T>(choice: Promise<T>): Promise<T | undefined> {
  try {
    return await choice;
  } catch (e) {
    if ((e as DOMException).name === 'AbortError') return undefined;
    throw e;
  }
}
