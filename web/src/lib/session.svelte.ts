import { data, done, type Api } from '../api/client';
import type { Session as Info } from '../api/types';

export type Scope = 'read' | 'upload' | 'work' | 'admin';

/** What this browser may do. The token itself is never kept: the appliance sets a cookie that scripts cannot read. */
export class Session {
  info: Info | undefined = $state.raw();
  /** An answer said that a token is needed. */
  asked = $state(false);
  /** When a token was last given, as performance.now() has it. */
  since = 0;

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
  }

  async signIn(token: string): Promise<void> {
    this.info = await data(this.api.POST('/session', { body: { token } }));
    this.since = performance.now();
    this.asked = false;
  }

  /** Asks for another token; what is may still be gone on with. */
  ask(): void {
    this.asked = true;
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
