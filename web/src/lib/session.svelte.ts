import { data, done, type Api } from '../api/client';
import type { Session as Info } from '../api/types';

export type Scope = 'read' | 'upload' | 'work' | 'admin';

/** What this browser may do. The token itself is never kept: the appliance sets a cookie that scripts cannot read. */
export class Session {
  info: Info | undefined = $state.raw();
  /** A token is asked for. */
  asked = $state(false);
  /** Counts who came after somebody else, who must not see what they left on the page. */
  who = $state(0);
  /** When a token was last given, as performance.now() has it. */
  since = 0;

  private ended = false;
  private loading: Promise<void> | undefined;

  constructor(private api: Api) {}

  /** Asks what this browser may do; who asks meanwhile gets the same answer. */
  load(): Promise<void> {
    this.loading ??= this.fetch().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async fetch(): Promise<void> {
    this.info = await data(this.api.GET('/session'));
    this.asked = this.info.required && !this.info.signed_in;
    this.ended &&= this.asked;
  }

  async signIn(token: string): Promise<void> {
    const { info: before, ended } = this;
    try {
      this.info = await data(this.api.POST('/session', { body: { token } }));
    } catch (e) {
      this.ended = ended; // a wrong token says nothing of the session that there is
      throw e;
    }
    this.since = performance.now();
    if (before && whose(before) !== whose(this.info)) this.who++;
    this.asked = this.ended = false;
  }

  /** Asks for another token; what is may still be gone on with. */
  ask(): void {
    this.asked = true;
  }

  /** An answer said that a token is needed. */
  refused(): void {
    this.asked = true;
    this.ended = this.info?.required ?? false;
  }

  /** Goes on without giving one, and says whether that is possible: nobody knows who is there once a session has ended. */
  stay(): boolean {
    if (!this.ended) this.asked = false;
    return !this.ended;
  }

  /** Whether one may go on without giving one. */
  get mayStay(): boolean {
    return this.info !== undefined && (!this.info.required || this.info.signed_in);
  }

  async signOut(): Promise<void> {
    await done(this.api.DELETE('/session'));
    await this.load();
  }

  /** The scope admin includes the others. */
  may(scope: Scope): boolean {
    const scopes = this.info?.scopes ?? [];
    return scopes.includes(scope) || scopes.includes('admin');
  }
}

const whose = (info: Info): string => JSON.stringify([info.name, [...info.scopes].sort()]);
