// What was being uploaded when the page went: kept in this browser, so that the same file goes on where it was.

export interface Unfinished {
  name: string;
  size: number;
  modified: number;
  /** The address of the upload on the appliance. */
  url: string;
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

  find(file: { name: string; size: number; lastModified: number }): Unfinished | undefined {
    return this.all().find((u) => u.name === file.name && u.size === file.size && u.modified === file.lastModified);
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
