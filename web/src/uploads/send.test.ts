import { expect, it } from 'vitest';
import { makeBatch, settle, tidy } from './send';
import { UploadItem, type BatchPlan } from './uploads.svelte';

it('makes the batch of the first file, and asks so that asking again makes no other', async () => {
  const asked: { key: string | null; body: unknown }[] = [];
  const answer = (status: number, body: object) =>
    (async (_: unknown, init?: RequestInit) => {
      asked.push({ key: new Headers(init?.headers).get('Idempotency-Key'), body: JSON.parse(String(init?.body)) });
      return new Response(JSON.stringify(body), { status });
    }) as typeof fetch;
  const plan = { key: 'p', body: { name: 'day', decoder: 'rail' }, batch: undefined as string | undefined };
  await expect(makeBatch(plan, 'f1', answer(422, { code: 'validation_failed' }))).rejects.toMatchObject({
    code: 'validation_failed',
  });
  expect(plan.batch).toBeUndefined();
  await makeBatch(plan, 'f1', answer(201, { id: 'b7' }));
  expect(plan.batch).toBe('b7');
  expect(asked[1]).toEqual({ key: 'p-f1', body: { name: 'day', decoder: 'rail', file_ids: ['f1'] } });
  expect(asked[0]).toEqual(asked[1]);
});

it('removes parts that were stored for the batch alone, and no others', async () => {
  const removed: [string, string | null][] = [];
  const ask = (async (path: string, init?: RequestInit) => {
    if (init?.method === 'DELETE') removed.push([path, new Headers(init.headers).get('If-Match')]);
    const decodes = path.endsWith('f2') ? ['d1'] : [];
    if (init?.body) return new Response('{"id":"b1"}', { status: 201 });
    return new Response(JSON.stringify({ decodes }), { headers: { ETag: '"e"' } });
  }) as typeof fetch;
  const plan: BatchPlan = { key: 'p', body: {}, parts: [null, null, null] };
  for (const [part, id] of ['f1', 'f2', 'f3'].entries()) {
    const item = new UploadItem(part, new File([], id), id);
    item.fileId = id;
    item.existing = id === 'f3';
    await settle(item, { plan, part }, () => undefined, ask);
  }
  expect(plan.fresh).toEqual(['f1', 'f2']);
  await tidy(plan.fresh ?? [], ask);
  expect(new Set(removed.map((r) => r.join()))).toEqual(new Set(['/api/v1/files/f1,"e"']));
});

it('leaves an archive that is the recording', async () => {
  let asked = 0;
  const ask = (async () => (asked++, new Response('{"id":"b1"}', { status: 201 }))) as typeof fetch;
  const item = new UploadItem(1, new File([], 'a.zip'), 'a.zip');
  item.fileId = 'f1';
  const plan: BatchPlan = { key: 'p', body: { combine: true }, archive: true, parts: [null] };
  await settle(item, { plan, part: 0 }, () => undefined, ask);
  expect([plan.batch, asked]).toEqual(['b1', 1]);
});
