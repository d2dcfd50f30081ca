import type { Column } from '../../api/types';
import { defaultWidth } from './cells';

const narrowest = 44;
const widest = 900;

/** Which columns of a table are shown, and how wide; kept in this browser. */
export class Columns {
  private hidden: readonly string[] = $state.raw([]);
  private widths: Record<string, number> = $state({});
  readonly shown: Column[] = $derived.by(() => {
    const left = this.all.filter((c) => !this.hidden.includes(c.name));
    return left.length > 0 ? left : this.all.slice(0, 1);
  });

  constructor(
    private readonly key: string,
    readonly all: Column[],
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'> | undefined = safeStorage(),
  ) {
    try {
      const kept = JSON.parse(this.storage?.getItem(this.key) ?? '{}') as { hidden?: unknown; widths?: unknown };
      if (Array.isArray(kept.hidden)) this.hidden = kept.hidden.filter((n) => typeof n === 'string');
      for (const [name, width] of Object.entries(kept.widths ?? {})) {
        if (typeof width === 'number') this.widths[name] = clamp(width);
      }
    } catch {
      // what was kept is of another time, or nothing may be kept: the defaults hold
    }
  }

  width(name: string): number {
    const own = this.widths[name];
    if (own !== undefined) return own;
    const column = this.all.find((c) => c.name === name);
    return column ? defaultWidth(column) : 100;
  }

  resize(name: string, width: number): void {
    this.widths[name] = clamp(width);
    this.keep();
  }

  isShown(name: string): boolean {
    return !this.hidden.includes(name);
  }

  show(name: string, on: boolean): void {
    this.hidden = on ? this.hidden.filter((n) => n !== name) : [...this.hidden, name];
    this.keep();
  }

  reset(): void {
    this.hidden = [];
    this.widths = {};
    this.keep();
  }

  private keep(): void {
    try {
      this.storage?.setItem(this.key, JSON.stringify({ hidden: this.hidden, widths: this.widths }));
    } catch {
      // a full storage costs the choice at the next visit
    }
  }
}

const clamp = (width: number) => Math.round(Math.max(narrowest, Math.min(widest, width)));

function safeStorage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
