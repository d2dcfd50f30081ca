import { data, type Api } from '../../api/client';
import { ApiError } from '../../api/error';
import type { Decode, Table } from '../../api/types';
import { Resource } from '../../lib/resource.svelte';
import { isRevealed } from './source';

interface Shown {
  /** The decode that one looks at, in whose place the other is read. */
  of: string;
  decode: string;
  tables: Table[];
}

/**
 * Sensitive values as they are. They are in no stored table but in those of a decode of its own, with the parameter reveal,
 * which only admins may ask for and see. That it is shown is kept nowhere: neither in the address nor in this browser.
 */
export class Reveal extends Resource<Shown> {
  constructor(private api: Api) {
    super();
  }

  /** Has the file decoded with sensitive values, or finds where it was, and shows its tables in the place of these. */
  show(decode: Decode): Promise<void> {
    this.hide();
    return this.load(async (signal) => {
      const body = {
        file_id: decode.file_id,
        decoder: decode.decoder?.id,
        params: { ...decode.params, reveal: true },
      };
      let open = await data(this.api.POST('/decodes', { body, signal }));
      while (open.status === 'queued' || open.status === 'running') {
        const params = { path: { id: open.id }, query: { wait: 30 } };
        open = await data(this.api.GET('/decodes/{id}', { params, signal }));
      }
      if (open.status !== 'done' && open.status !== 'partial') {
        throw new ApiError(-1, { code: open.error?.code ?? open.status, detail: open.error?.message ?? open.status });
      }
      const params = { path: { id: open.id } };
      const tables = await data(this.api.GET('/decodes/{id}/tables', { params, signal }));
      return { of: decode.id, decode: open.id, tables };
    });
  }

  hide(): void {
    this.stop();
    this.data = undefined;
    this.error = undefined;
  }

  /** What is to be read in the place of a table of a decode; undefined while its values are hidden. */
  instead(decode: Decode | undefined, table: Table | undefined): { decode: string; table: Table } | undefined {
    if (!this.data || this.data.of !== decode?.id || isRevealed(decode)) return undefined;
    const open = this.data.tables.find((x) => x.name === table?.name);
    return open && { decode: this.data.decode, table: open };
  }
}
