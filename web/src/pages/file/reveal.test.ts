import { expect, it } from 'vitest';
import { createApi } from '../../api/client';
import type { Decode, Table } from '../../api/types';
import { Reveal } from './reveal.svelte';

const decode = { id: 'd1', file_id: 'f1', decoder: { id: 'rail' }, params: { timezone: 'UTC' }, status: 'done' };
const table = { name: 'driver_data', rows: 1 } as Table;
const hidden = decode as unknown as Decode;

/** An appliance that answers what is listed for a request, one after the other. */
function appliance(answers: Record<string, [number, unknown][]>) {
  const asked: { line: string; body: unknown }[] = [];
  const api = createApi({ answered: () => undefined, unanswered: () => undefined }, 'http://a', async (input) => {
    const request = input as Request;
    const url = new URL(request.url);
    const line = `${request.method} ${url.pathname}`;
    asked.push({ line, body: request.method === 'POST' ? await request.json() : undefined });
    const [status, body] = answers[line]?.shift() ?? [404, {}];
    return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
  });
  return { reveal: new Reveal(api), asked };
}

it('reads a decode with sensitive values in the place of the one without', async () => {
  const { reveal, asked } = appliance({
    'POST /decodes': [[201, { id: 'd2', status: 'queued' }]],
    'GET /decodes/d2': [
      [200, { id: 'd2', status: 'running' }],
      [200, { id: 'd2', status: 'done' }],
    ],
    'GET /decodes/d2/tables': [[200, [table]]],
  });
  expect(reveal.instead(hidden, table)).toBeUndefined();
  await reveal.show(hidden);
  expect(asked[0]?.body).toEqual({ file_id: 'f1', decoder: 'rail', params: { timezone: 'UTC', reveal: true } });
  expect(reveal.instead(hidden, table)).toEqual({ decode: 'd2', table });
  expect(reveal.instead({ ...hidden, id: 'd9' }, table)).toBeUndefined(); // of another decode nobody asked for them
  reveal.hide();
  expect(reveal.instead(hidden, table)).toBeUndefined();
});

it('says why it could not', async () => {
  const refused = appliance({ 'POST /decodes': [[403, { code: 'forbidden', detail: 'needs scope admin' }]] }).reveal;
  await refused.show(hidden);
  expect(refused.error?.code).toBe('forbidden');
  const failed = appliance({
    'POST /decodes': [[200, { id: 'd2', status: 'failed', error: { code: 'deadline', message: 'took too long' } }]],
  }).reveal;
  await failed.show(hidden);
  expect(failed.error?.message).toBe('took too long');
  expect(failed.instead(hidden, table)).toBeUndefined();
});
