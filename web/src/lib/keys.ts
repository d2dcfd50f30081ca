// One listener for the whole console; what is open last is asked first.

/** Handles a key: true if it did something. `key` is KeyboardEvent.key, `g f` for two keys one after the other. */
export type KeyHandler = (key: string, event: KeyboardEvent) => boolean;

const second = 900; // ms in which the second key of a pair has to come

export class Keys {
  private handlers: KeyHandler[] = [];
  private first = '';
  private firstAt = 0;

  /** singles says whether keys without Ctrl or Alt are on. */
  constructor(private singles: () => boolean) {}

  listen(): () => void {
    const down = (e: KeyboardEvent) => this.down(e);
    document.addEventListener('keydown', down);
    return () => document.removeEventListener('keydown', down);
  }

  /** Asks a handler before those that are there; the result ends that. Use it in an $effect. */
  on(handler: KeyHandler): () => void {
    this.handlers.unshift(handler);
    return () => {
      this.handlers = this.handlers.filter((h) => h !== handler);
    };
  }

  private down(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const target = e.target as HTMLElement | null;
    // A dialog closes by itself on Esc, and what is beneath it is not meant by any key.
    if (document.querySelector('dialog:modal')) return;
    if (e.key === 'Escape') {
      if (this.ask('Escape', e)) return;
      if (target && inField(target)) target.blur();
      return;
    }
    if ((target && inField(target)) || !this.singles()) return;
    const now = Date.now();
    const pair = this.first && now - this.firstAt < second ? `${this.first} ${e.key}` : '';
    this.first = '';
    if (pair && this.ask(pair, e)) return;
    if (e.key === 'g') {
      this.first = 'g';
      this.firstAt = now;
      return;
    }
    this.ask(e.key, e);
  }

  private ask(key: string, e: KeyboardEvent): boolean {
    for (const handler of this.handlers) {
      if (handler(key, e)) {
        e.preventDefault();
        return true;
      }
    }
    return false;
  }
}

/** A field into which one types. */
export function inField(target: HTMLElement): boolean {
  return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
    ? !/^(checkbox|radio|button)$/.test((target as HTMLInputElement).type)
    : target.isContentEditable;
}
