import { getContext, setContext } from 'svelte';
import { createApi, type Api } from '../api/client';
import { Live } from '../api/live.svelte';
import type { I18n } from '../i18n/i18n.svelte';
import type { Text } from '../i18n/en';
import { Keys } from './keys';
import { Prefs } from './prefs.svelte';
import { Router, type Route } from './router.svelte';
import { Session } from './session.svelte';
import { Counts } from '../shell/counts.svelte';
import { Uploads } from '../uploads/uploads.svelte';
import { Shell } from './shell.svelte';

/** What every page and component may need; made once, given by context. */
export class App {
  readonly api: Api;
  readonly session: Session;
  readonly live = new Live();
  readonly shell = new Shell();
  readonly router: Router;
  readonly keys: Keys;
  readonly counts: Counts;
  readonly uploads = new Uploads(safeStorage());

  constructor(
    routes: readonly Route[],
    readonly i18n: I18n,
    readonly prefs = new Prefs(),
    api?: Api,
  ) {
    this.router = new Router(routes);
    this.keys = new Keys(() => this.prefs.singleKeys);
    this.api =
      api ??
      createApi({
        answered: (status, ms) => {
          this.shell.apiMs = ms;
          // What was asked before somebody signed in says nothing of who did.
          if (status === 401 && performance.now() - ms >= this.session.since) this.session.refused();
        },
        unanswered: () => undefined, // the stream of events notices too, and tells
      });
    this.session = new Session(this.api);
    this.counts = new Counts(this.api, this.live, this.session);
  }

  /** The console's words in the language that was chosen. */
  get t(): Text {
    return this.i18n.text;
  }
}

function safeStorage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

const key = Symbol('app');

export function provideApp(app: App): App {
  return setContext(key, app);
}

export function useApp(): App {
  return getContext<App>(key);
}
