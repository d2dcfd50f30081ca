import { MediaQuery } from 'svelte/reactivity';
import type { ApiError } from '../api/error';

export interface Crumb {
  text: string;
  href: string;
}

export interface Pending {
  text: string;
  /** Milliseconds of Unix time at which it is done. */
  at: number;
  undo: () => void;
}

/** What the frame around a page shows, and what pages tell it. */
export class Shell {
  title = $state('');
  crumb: Crumb | undefined = $state.raw();
  /** Of the foot: what is selected, how many match. */
  foot = $state('');
  /** Read out politely: counts, never rows. */
  said = $state('');
  /** What was done, in one line, with where to see it; it stays until the next. */
  told: { text: string; href?: string; action?: string } | undefined = $state.raw();
  /** What went wrong with something that the reader did. */
  failed: { what: string; error: ApiError } | undefined = $state.raw();
  /** Destructive things that are done in some seconds unless taken back. */
  pending: Pending[] = $state.raw([]);
  menuOpen = $state(false);
  /** The navigation is behind a button. */
  readonly narrow = new MediaQuery('max-width: 760px');
  sheetOpen = $state(false);
  apiMs: number | undefined = $state();

  say(text: string): void {
    this.said = text;
  }

  tell(text: string, href?: string, action?: string): void {
    this.failed = undefined;
    this.told = { text, href, action };
    this.said = text;
  }

  fail(what: string, error: ApiError): void {
    this.told = undefined;
    this.failed = { what, error };
  }

  /**
   * Does something in eight seconds, unless it is taken back: the text says what will be done. A page that is closed before
   * leaves it undone.
   */
  later(text: string, run: () => void, undone?: () => void, wait = 8000): void {
    const timer = setTimeout(() => {
      this.pending = this.pending.filter((p) => p !== entry);
      run();
    }, wait);
    const entry: Pending = {
      text,
      at: Date.now() + wait,
      undo: () => {
        clearTimeout(timer);
        this.pending = this.pending.filter((p) => p !== entry);
        undone?.();
      },
    };
    this.pending = [...this.pending, entry];
    this.said = text;
  }
}
