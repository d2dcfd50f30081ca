import { safeStorage } from '../../lib/prefs.svelte';

/** A filter that a person has named: the part of the address that says it. */
export interface SavedFilter {
  name: string;
  search: string;
}

export const mostSaved = 20;
export const longestName = 30;
const key = 'wayside.jobs.filters';

/** The named filters of this browser. What another tab has saved meanwhile is kept. */
export class SavedFilters {
  list: readonly SavedFilter[] = $state.raw([]);

  constructor(private storage: Pick<Storage, 'getItem' | 'setItem'> | undefined = safeStorage()) {
    this.list = this.kept();
  }

  /** Adds it, or puts it in the place of the one of that name. False: there are as many as there may be. */
  save(filter: SavedFilter): boolean {
    const list = this.kept();
    const at = list.findIndex((f) => f.name === filter.name);
    if (at >= 0) list[at] = filter;
    else if (list.length >= mostSaved) return false;
    else list.push(filter);
    this.keep(list);
    return true;
  }

  remove(name: string): void {
    this.keep(this.kept().filter((f) => f.name !== name));
  }

  private kept(): SavedFilter[] {
    if (!this.storage) return [...this.list];
    let kept: unknown;
    try {
      kept = JSON.parse(this.storage.getItem(key) ?? '[]');
    } catch {
      // what is kept is of another time, or nothing may be kept
    }
    const list: SavedFilter[] = [];
    for (const f of Array.isArray(kept) ? (kept as (Partial<SavedFilter> | null)[]) : []) {
      const { name, search } = f ?? {};
      if (typeof name !== 'string' || typeof search !== 'string' || !name || !search.startsWith('?')) continue;
      if (list.length < mostSaved && !list.some((o) => o.name === name)) list.push({ name, search });
    }
    return list;
  }

  private keep(list: SavedFilter[]): void {
    this.list = list;
    try {
      this.storage?.setItem(key, JSON.stringify(list));
    } catch {
      this.storage = undefined; // full or forbidden: they last as long as the page
    }
  }
}

/** The filter of an address of this page, '' if there is none; the same for the same filter. */
export function searchOf(get: (name: string) => string | null): string {
  const query = new URLSearchParams();
  for (const name of ['state', 'queue', 'type', 'q']) {
    const value = get(name);
    if (value) query.set(name, value);
  }
  return query.size > 0 ? '?' + query.toString() : '';
}
