import { fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { I18n } from '../i18n/i18n.svelte';
import { App } from '../lib/app.svelte';
import { Prefs } from '../lib/prefs.svelte';
import Root from '../Root.svelte';

let app: App;
let signedIn: boolean;
let wrong: boolean; // the token
let who: { name: string; scopes: string[] };
let late: (() => void)[]; // answers that come when the test says so
const info = () => ({ required: true, signed_in: signedIn, ...who, expires_at: null });
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });

beforeEach(async () => {
  signedIn = true;
  who = { name: 'ci', scopes: ['admin'] };
  wrong = false;
  late = [];
  vi.stubGlobal(
    'EventSource',
    class extends EventTarget {
      close = () => undefined;
    },
  );
  vi.stubGlobal('fetch', async (r: Request) => {
    const path = new URL(r.url).pathname;
    if (path === '/api/v1/session') {
      if (r.method === 'POST' && wrong) return json({ code: 'unauthorized' }, 401);
      if (r.method === 'POST') signedIn = true;
      if (r.method === 'DELETE') signedIn = false;
      return r.method === 'DELETE' ? new Response(null, { status: 204 }) : json(info());
    }
    const allowed = signedIn;
    if (path === '/api/v1/workers') await new Promise<void>((done) => late.push(done));
    return allowed ? json({ items: [] }) : json({ code: 'unauthorized' }, 401);
  });
  history.replaceState(null, '', '/');
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  app = new App(
    [{ pattern: '/', nav: 'overview', load: () => import('./TestPage.svelte') }],
    i18n,
    new Prefs(undefined),
  );
});

afterEach(() => vi.unstubAllGlobals());

const note = () => screen.queryByLabelText<HTMLInputElement>('Note');
const token = () => screen.findByLabelText<HTMLInputElement>('Token');

test('a session that ends leaves the page as it is, and asks above it', async () => {
  render(Root, { app });
  await vi.waitFor(() => expect(note()).not.toBeNull());
  await fireEvent.input(note()!, { target: { value: 'half a sen' } });
  const typed = note()!;
  typed.focus();
  signedIn = false;
  const polled = app.api.GET('/workers');
  await app.api.GET('/queues');
  const field = await token();
  expect(note()).toBe(typed);
  const dialog = field.closest('dialog');
  expect(dialog?.open).toBe(true);
  expect(dialog?.contains(typed)).toBe(false);

  field.focus();
  await fireEvent.input(field, { target: { value: 'wst_x' } });
  await fireEvent.submit(field.form!);
  await vi.waitFor(() => expect(screen.queryByLabelText('Token')).toBeNull());
  expect(note()).toBe(typed);
  expect(typed.value).toBe('half a sen');
  await vi.waitFor(() => expect(document.activeElement).toBe(typed));
  expect(screen.getByText('retried 1')).toBeTruthy();

  // The answer to what was asked before does not ask again.
  late.forEach((done) => done());
  expect((await polled).response.status).toBe(401);
  expect(app.session.asked).toBe(false);
});

test('who comes after somebody else sees nothing of what they left, and nobody does without a token', async () => {
  render(Root, { app });
  await vi.waitFor(() => expect(note()).not.toBeNull());
  await fireEvent.input(note()!, { target: { value: 'a secret' } });
  signedIn = false;
  await app.api.GET('/queues');
  const dialog = (await token()).closest('dialog')!;
  await fireEvent(dialog, new Event('close'));
  expect(app.session.asked).toBe(true);
  const field = await token();
  expect(field.closest('dialog')).not.toBe(dialog);
  expect(field.closest('dialog')?.open).toBe(true);

  who = { name: 'other', scopes: ['read'] };
  await fireEvent.input(field, { target: { value: 'wst_y' } });
  await fireEvent.submit(field.form!);
  await vi.waitFor(() => expect(screen.queryByLabelText('Token')).toBeNull());
  await vi.waitFor(() => expect(note()?.value).toBe(''));
});

test('another token that is asked for need not be given, also after a wrong one', async () => {
  render(Root, { app });
  await vi.waitFor(() => expect(note()).not.toBeNull());
  app.session.ask();
  const field = await token();
  wrong = true;
  await fireEvent.input(field, { target: { value: 'wst_z' } });
  await fireEvent.submit(field.form!);
  await vi.waitFor(() => expect(screen.getByText(app.t.shell.signInFailed)).toBeTruthy());
  field.closest('dialog')!.close();
  await vi.waitFor(() => expect(screen.queryByLabelText('Token')).toBeNull());
  expect(note()).not.toBeNull();
});

test('who signs out leaves nothing behind', async () => {
  render(Root, { app });
  await vi.waitFor(() => expect(note()).not.toBeNull());
  await app.session.signOut();
  expect((await token()).closest('dialog')).toBeNull();
  expect(note()).toBeNull();
});
