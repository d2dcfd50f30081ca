import type { KeyLine } from '../../api/types';

/** A row of the tree: a key, or what keys have in common up to a colon. */
export interface Row {
  id: string;
  name: string;
  depth: number;
  /** Of a folder: keys below it, and the bytes that they take. */
  keys: number;
  bytes: number;
  open: boolean;
  line?: KeyLine;
}

export const nameOf = (line: KeyLine): string => line.text ?? line.key ?? '';

interface Folder {
  folders: Map<string, Folder>;
  lines: KeyLine[];
  keys: number;
  bytes: number;
}
const folder = (): Folder => ({ folders: new Map(), lines: [], keys: 0, bytes: 0 });

/** The keys as a tree by their colons; what is not open is left out. A folder of one key is that key. */
export function treeOf(lines: readonly KeyLine[], open: ReadonlySet<string>): Row[] {
  const root = folder();
  for (const line of lines) {
    const parts = nameOf(line).split(':');
    let at = root;
    add(at, line);
    for (const part of parts.slice(0, -1)) {
      let next = at.folders.get(part);
      if (!next) at.folders.set(part, (next = folder()));
      add(next, line);
      at = next;
    }
    at.lines.push(line);
  }
  const rows: Row[] = [];
  walk(root, '', 0, open, rows);
  return rows;
}

function add(f: Folder, line: KeyLine): void {
  f.keys++;
  f.bytes += line.bytes;
}

function walk(f: Folder, prefix: string, depth: number, open: ReadonlySet<string>, rows: Row[]): void {
  for (const [name, inner] of [...f.folders].sort(([a], [b]) => a.localeCompare(b))) {
    const id = prefix + name + ':';
    const only = inner.keys === 1 ? single(inner) : undefined;
    if (only) {
      rows.push(leaf(only, prefix, depth));
      continue;
    }
    const isOpen = open.has(id);
    rows.push({ id, name: name + ':', depth, keys: inner.keys, bytes: inner.bytes, open: isOpen });
    if (isOpen) walk(inner, id, depth + 1, open, rows);
  }
  for (const line of [...f.lines].sort((a, b) => nameOf(a).localeCompare(nameOf(b))))
    rows.push(leaf(line, prefix, depth));
}

function single(f: Folder): KeyLine | undefined {
  if (f.lines[0]) return f.lines[0];
  for (const inner of f.folders.values()) return single(inner);
  return undefined;
}

function leaf(line: KeyLine, prefix: string, depth: number): Row {
  const name = nameOf(line).slice(prefix.length);
  return { id: idOf(line), name, depth, keys: 1, bytes: line.bytes, open: false, line };
}

/** How the address and the list name a key. */
export const idOf = (line: KeyLine): string => line.key ?? '~' + nameOf(line);
