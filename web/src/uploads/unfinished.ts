// What was being uploaded when the page went: kept in this browser, so that the same file goes on where it was.

export interface Unfinished {
  name: string;
  size: number;
  modified: number;
  /** The address of the upload on the appliance. */
  url: string;
  /** Within the folder that it came with. */
  path?: string;
  /** The batch that its file joins. */
  batch?: string;
  /** It is stored only: a part of a batch that is made of all at once. */
  whole?: boolean;
}

const key = 'wayside.uploads';
const most = 200;

export class UnfinishedList {
  constructor(private storage: Pick<Storage, 'getItem' | 'setItem'> | undefined) {}

  all(): Unfinished[] {
    try {
      const kept: unknown = JSON.parse(this.storage?.getItem(key) ?? '[]');
      return Array.isArray(kept) ? kept.filter(isUnfinished) : [];
    } catch {
      return [];
    }
  }

  /**
   * The upload that this file goes on with. Folders have files of one name, size and time beside each other: the path tells
   * them apart, and where it does not (the file was chosen alone this time) only a single candidate will do. `taken` are
   * the uploads of others that are on their way.
   */
  find(
    file: { name: string; size: number; lastModified: number },
    path = file.name,
    taken: ReadonlySet<string> = new Set(),
  ): Unfinished | undefined {
    const like = this.all().filter(
      (u) => u.name === file.name && u.size === file.size && u.modified === file.lastModified && !taken.has(u.url),
    );
    const alone = like.length === 1 && (path === file.name || !like[0]?.path || like[0].path === file.name);
    return like.find((u) => u.path === path) ?? (alone ? like[0] : undefined);
  }

  add(one: Unfinished): void {
    this.keep([...this.all().filter((u) => u.url !== one.url), one].slice(-most));
  }

  remove(url: string): void {
    this.keep(this.all().filter((u) => u.url !== url));
  }

  private keep(list: Unfinished[]): void {
    try {
      this.storage?.setItem(key, JSON.stringify(list));
    } catch {
      // without it a reload begins the upload anew
    }
  }
}

function isUnfinished(u: unknown): u is Unfinished {
  const o = u as Unfinished;
  return (
    typeof o?.name === 'string' &&
    typeof o.size === 'number' &&
    typeof o.modified === 'number' &&
    typeof o.url === 'string'
  );
}
