import { fireEvent, render, screen } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import { createApi, type Whole } from '../../api/client';
import type { Job } from '../../api/types';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestEditJob from './TestEditJob.svelte';
import TestJobDrawer from './TestJobDrawer.svelte';
import { instant, localTime } from './time';

let app: App;
let asked: { what: string; body: unknown }[];
let sent: string[]; // bodies as they were sent, with the tag before them
let answer: (method: string) => Response;
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
const job = (status: Job['status'], run_at: string | null = null, over = {}) =>
  whole({ id: 'j1', type: 'mail', queue: 'email', priority: 3, status, payload: { to: 'x' }, run_at, ...over });
const whole = (data: unknown): Whole<Job> => ({ data: data as Job, text: JSON.stringify(data), tag: '"t1"' });
// As the appliance writes it: a number that the browser cannot hold.
const large = JSON.stringify(job('dead').data).replace('{"to":"x"}', '{"order":9007199254740993}');

beforeEach(async () => {
  asked = [];
  sent = [];
  answer = () => json(job('ready').data);
  const send = async (r: Request) => {
    const text = await r.text();
    asked.push({
      what: r.method + ' ' + new URL(r.url).pathname.replace('/api/v1', ''),
      body: text ? (JSON.parse(text) as unknown) : null,
    });
    if (text) sent.push(`${r.headers.get('If-Match')} ${text}`);
    return answer(r.method);
  };
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  app = new App([], i18n, new Prefs(undefined), createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch));
});

const payload = () => screen.getByRole<HTMLTextAreaElement>('textbox', { name: /Payload/ });
const button = (name: string) => screen.getByRole<HTMLButtonElement>('button', { name });

test('a dead job is changed, then retried; it has no time', async () => {
  const ondone = vi.fn();
  render(TestEditJob, { app, job: job('dead'), ondone });
  expect(screen.queryByLabelText(/^Due/)).toBeNull();
  await fireEvent.input(payload(), { target: { value: '{"to": "y"}' } });
  await fireEvent.submit(payload().form as HTMLFormElement);
  await vi.waitFor(() => expect(ondone).toHaveBeenCalled());
  expect(asked).toEqual([
    { what: 'PATCH /jobs/j1', body: { payload: { to: 'y' } } },
    { what: 'GET /jobs/j1', body: null },
    { what: 'POST /jobs/j1/retry', body: null },
  ]);
});

test('what is no JSON is not sent, and says why', async () => {
  render(TestEditJob, { app, job: job('dead'), ondone: vi.fn() });
  await fireEvent.input(payload(), { target: { value: '{"to":' } });
  expect(button('Save and retry').disabled).toBe(true);
  expect(screen.getByText(/This is no JSON/)).toBeTruthy();
  await fireEvent.submit(payload().form as HTMLFormElement);
  expect(asked).toEqual([]);
});

test('what the appliance refuses leaves the dialog and what was typed', async () => {
  answer = () => json({ code: 'validation_failed', detail: 'queue: too long' }, 422);
  const ondone = vi.fn();
  render(TestEditJob, { app, job: job('dead'), ondone });
  await fireEvent.input(payload(), { target: { value: '{"to": "y"}' } });
  await fireEvent.submit(payload().form as HTMLFormElement);
  await vi.waitFor(() => expect(screen.getByRole('alert').textContent).toContain('queue: too long'));
  expect(payload().value).toBe('{"to": "y"}');
  expect(asked).toHaveLength(1);
  expect(ondone).not.toHaveBeenCalled();
});

test('a time is sent only if it was changed', async () => {
  const at = '2026-12-24T03:00:00.000Z';
  const ondone = vi.fn();
  render(TestEditJob, { app, job: job('scheduled', at), ondone });
  const due = screen.getByLabelText<HTMLInputElement>(/^Due/);
  expect(instant(due.value)).toBe(at);
  await fireEvent.input(screen.getByLabelText('queue'), { target: { value: 'slow' } });
  await fireEvent.click(button('Save'));
  await vi.waitFor(() => expect(ondone).toHaveBeenCalledTimes(1));
  expect(asked[0]?.body).toEqual({ queue: 'slow' });
  await fireEvent.input(due, { target: { value: localTime('2026-12-25T04:30:00Z') } });
  await fireEvent.click(button('Save'));
  await vi.waitFor(() => expect(ondone).toHaveBeenCalledTimes(2));
  expect(asked[1]?.body).toEqual({ run_at: '2026-12-25T04:30:00.000Z' });
});

test('only what was edited is sent, and only over what was there', async () => {
  const ondone = vi.fn();
  render(TestEditJob, { app, job: job('dead'), ondone });
  await fireEvent.click(button('Save'));
  await vi.waitFor(() => expect(ondone).toHaveBeenCalledTimes(1));
  expect(asked).toEqual([]);
  await fireEvent.input(screen.getByLabelText('queue'), { target: { value: 'slow' } });
  await fireEvent.click(button('Save'));
  await vi.waitFor(() => expect(ondone).toHaveBeenCalledTimes(2));
  expect(sent).toEqual(['"t1" {"queue":"slow"}']);
});

test('what somebody else changed meanwhile is not written over, nor is what was typed', async () => {
  answer = (method) =>
    method === 'GET'
      ? json(job('dead', null, { payload: { to: 'z' } }).data)
      : json({ code: 'precondition_failed', detail: 'it is not as If-Match says' }, 412);
  render(TestEditJob, { app, job: job('dead'), ondone: vi.fn() });
  await fireEvent.input(payload(), { target: { value: '{"to": "y"}' } });
  await fireEvent.click(button('Save'));
  await vi.waitFor(() => expect(screen.getByRole('alert').textContent).toContain('Somebody else changed this'));
  expect(payload().value).toBe('{"to": "y"}');
  await fireEvent.click(button('Load the newer state'));
  await vi.waitFor(() => expect(payload().value).toBe('{\n  "to": "z"\n}'));
  expect(screen.queryByRole('alert')).toBeNull();
});

test('numbers larger than the browser can hold are shown, edited and sent as they are', async () => {
  answer = () => new Response(large, { headers: { 'Content-Type': 'application/json', ETag: '"t2"' } });
  vi.spyOn(app.session, 'may').mockReturnValue(true);
  render(TestJobDrawer, { app });
  await vi.waitFor(() =>
    expect(screen.getByRole('region', { name: 'Payload' }).textContent).toContain('9007199254740993'),
  );
  await fireEvent.click(button('Edit e'));
  expect(payload().value).toBe('{\n  "order": 9007199254740993\n}');
  await fireEvent.input(payload(), { target: { value: '{ "order": 9007199254740995 }' } });
  await fireEvent.click(button('Save'));
  await vi.waitFor(() => expect(sent).toEqual(['"t2" {"payload":{"order":9007199254740995}}']));
});
