import { asApiError, ApiError } from '../../api/error';
import type { Plugin } from '../../api/types';

/** A module on its way into the appliance. */
export class Install {
  stage: 'sending' | 'checking' | 'answered' | 'failed' = $state('sending');
  /** Share of the bytes that are there. */
  progress = $state(0);
  /** What the appliance made of it; it may be compiling still. */
  module: Plugin | undefined = $state.raw();
  error: ApiError | undefined = $state.raw();
  /** The same bytes were there already. */
  known = $state(false);
  cancel: () => void = () => undefined;

  constructor(
    readonly key: number,
    readonly file: File,
  ) {}
}

/** Uploads of modules: one at a time, since each is compiled. The list follows the events and tells how they end. */
export class Installs {
  list: Install[] = $state.raw([]);
  private next = 1;
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly changed: () => void,
    private readonly url = '/api/v1/plugins?wait=20',
    private readonly request: () => XMLHttpRequest = () => new XMLHttpRequest(),
  ) {}

  add(files: Iterable<File>): void {
    for (const file of files) this.start(new Install(this.next++, file));
  }

  again(install: Install): void {
    this.drop(install);
    this.add([install.file]);
  }

  /** Takes it out of the list; what is on its way is cancelled. */
  drop(install: Install): void {
    install.cancel();
    this.list = this.list.filter((i) => i !== install);
  }

  stop(): void {
    for (const i of this.list) i.cancel();
  }

  /** What the list says now of modules that were sent. */
  follow(plugins: readonly Plugin[]): void {
    for (const i of this.list) {
      const sha = i.module?.sha256;
      if (!sha || !i.module) continue;
      const serving = plugins.find((p) => p.sha256 === sha);
      const other = plugins.flatMap((p) => p.others).find((o) => o.sha256 === sha);
      if (serving) i.module = serving;
      else if (other)
        i.module = {
          ...i.module,
          state: other.state,
          reason: other.reason,
          signature: other.signature,
          checks: other.checks,
        };
    }
  }

  private start(install: Install): void {
    this.list = [...this.list, install];
    let gone = false;
    install.cancel = () => (gone = true);
    this.last = this.last.then(async () => {
      if (gone) return;
      try {
        await this.send(install);
      } catch (e) {
        install.error = asApiError(e);
        install.stage = 'failed';
      }
      this.changed();
    });
  }

  private send(install: Install): Promise<void> {
    return new Promise((resolve, reject) => {
      const xhr = this.request();
      install.cancel = () => {
        xhr.abort();
        resolve();
      };
      xhr.upload.onprogress = (e) => (install.progress = e.total > 0 ? e.loaded / e.total : 0);
      xhr.upload.onload = () => (install.stage = 'checking');
      xhr.onerror = () => reject(new ApiError(0, {}));
      xhr.onload = () => {
        const body = parsed(xhr.responseText);
        if (xhr.status >= 300) {
          reject(new ApiError(xhr.status, { request_id: xhr.getResponseHeader('X-Request-ID') ?? undefined, ...body }));
          return;
        }
        install.module = body as unknown as Plugin;
        install.known = xhr.status === 200;
        install.stage = 'answered';
        resolve();
      };
      xhr.open('POST', this.url);
      xhr.setRequestHeader('Content-Type', 'application/wasm');
      xhr.send(install.file);
    });
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
