import { expect, test, vi } from 'vitest';
import { createApi } from '../api/client';
import { Session } from './session.svelte';

const info = (over = {}) => ({ required: true, signed_in: false, name: null, scopes: [], expires_at: null, ...over });

function session(...answers: [number, unknown][]) {
  const sent: Request[] = [];
  const send = vi.fn(async (r: Request) => {
    sent.push(r);
    const [status, body] = answers.shift()!;
    return new Response(body === undefined ? null : JSON.stringify(body), {
      status,
      headers: { 'Content-Type': 'application/json' },
    });
  });
  const api = createApi(
    { answered: () => undefined, unanswered: () => undefined },
    'http://x/api/v1',
    send as unknown as typeof fetch,
  );
  return { s: new Session(api), sent };
}

test('a token is asked for where one is needed and none was given', async () => {
  const { s } = session([200, info()], [200, info({ signed_in: true, scopes: ['read'] })]);
  await s.load();
  expect(s.asked).toBe(true);
  await s.load();
  expect(s.asked).toBe(false);
});

test('a wrong token leaves it asked for; a right one opens', async () => {
  const { s, sent } = session(
    [200, info()],
    [401, { code: 'unauthorized', detail: 'no such token' }],
    [200, info({ signed_in: true, name: 'ci', scopes: ['read', 'work'] })],
  );
  await s.load();
  await expect(s.signIn('wrong')).rejects.toMatchObject({ status: 401, code: 'unauthorized' });
  expect(s.asked).toBe(true);
  await s.signIn('right');
  expect(await sent[2]!.json()).toEqual({ token: 'right' });
  expect(s.asked).toBe(false);
  expect(s.info?.name).toBe('ci');
});

test('signing out asks again', async () => {
  const { s, sent } = session([204, undefined], [200, info()]);
  await s.signOut();
  expect(sent.map((r) => r.method)).toEqual(['DELETE', 'GET']);
  expect(s.asked).toBe(true);
});

test.each([
  [['read'], 'read', true],
  [['read'], 'admin', false],
  [['work'], 'read', false],
  [['admin'], 'upload', true],
] as const)('%j may %s: %s', async (scopes, scope, may) => {
  const { s } = session([200, info({ required: false, scopes })]);
  expect(s.may(scope)).toBe(false); // before it is known
  await s.load();
  expect(s.may(scope)).toBe(may);
});

test('another token may be asked for, and what one has be kept', async () => {
  const { s } = session([200, info({ signed_in: true, scopes: ['read'] })], [200, info()]);
  expect(s.mayStay).toBe(false);
  await s.load();
  s.ask();
  expect([s.asked, s.mayStay]).toEqual([true, true]);
  await s.load();
  expect(s.mayStay).toBe(false);
});
