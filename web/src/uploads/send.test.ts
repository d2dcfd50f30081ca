import { expect, it } from 'vitest';
import { makeBatch } from './send';

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
