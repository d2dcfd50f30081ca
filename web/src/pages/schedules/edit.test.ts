import { fireEvent, render, screen } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../../api/client';
import type { Schedule } from '../../api/types';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestEditSchedule from './TestEditSchedule.svelte';

let app: App;
let asked: string[];
let sent: string[];
let answer: (method: string) => Response;
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });

beforeEach(async () => {
  asked = [];
  sent = [];
  const send = async (r: Request) => {
    const path = new URL(r.url).pathname;
    if (path.startsWith('/api/v1/schedules')) {
      const body = await r.text();
      if (body) sent.push(`${r.method} ${path.slice(7)} ${r.headers.get('If-Match')} ${body}`);
      return answer(r.method);
    }
    const cron = new URL(r.url).searchParams.get('cron') ?? '';
    asked.push(cron);
    const wrong = { code: 'validation_failed', errors: [{ field: 'cron', message: 'five or six fields' }] };
    const times = [
      { at: '2026-11-30T02:00:00.000000Z', local: '2026-11-30T03:00:00+01:00' },
      { at: '2026-12-01T02:00:00.000000Z', local: '2026-12-01T03:00:00+01:00' },
    ];
    return cron === 'never' ? json(wrong, 422) : json({ times });
  };
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  app = new App([], i18n, new Prefs(undefined), createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch));
});

const cron = () => screen.getByRole<HTMLInputElement>('textbox', { name: /^when/ });
const times = () => screen.queryByRole('list', { name: 'The next times' })?.children;

test('when it fires is shown while it is typed, and what is wrong at its field, before it is saved', async () => {
  render(TestEditSchedule, { app });
  await vi.waitFor(() => expect(times()).toHaveLength(2));
  expect(times()?.[0]?.textContent).toMatch(/Mon\s+2026-11-30 03:00:00 \+01:00/);
  expect(screen.getByText('every day at 03:00')).toBeTruthy();

  await fireEvent.input(cron(), { target: { value: 'n' } });
  await fireEvent.input(cron(), { target: { value: 'never' } });
  await vi.waitFor(() => expect(screen.getByText('five or six fields')).toBeTruthy());
  expect(cron().getAttribute('aria-invalid')).toBe('true');
  expect(times()).toBeUndefined();
  expect(screen.queryByText('never')).toBeNull();

  await fireEvent.input(cron(), { target: { value: '*/5 * * * *' } });
  await vi.waitFor(() => expect(times()).toHaveLength(2));
  expect(screen.queryByText('five or six fields')).toBeNull();
  expect(asked).toEqual(['0 3 * * *', 'never', '*/5 * * * *']);
});

// As the appliance writes it: a number that the browser cannot hold.
const line = `{"id":"nightly","cron":"0 3 * * *","timezone":"Europe/Berlin","missed":"all","missed_max":7,"overlap":"queue",
  "paused":false,"next_run_at":"2026-11-30T02:00:00.000000Z","last_run_at":null,"last_job_id":null,"skipped":0,"reason":null,
  "job":{"type":"mail","queue":"email","priority":0,"payload":{"order":9007199254740993},"unique_key":"k","unique_until":"ttl",
  "unique_ttl":60,"limit_key":"dev1","max_attempts":9,"timeout":30,"soft_timeout":0,"backoff":{"kind":"fixed","base":5},
  "result_ttl":3600,"request_id":null,"correlation_id":"c1","trace_id":"t1"}}`;
const answered = (text: string) =>
  new Response(text, { headers: { 'Content-Type': 'application/json', ETag: '"t2"' } });
const schedule = () => ({ line: JSON.parse(line) as Schedule, payload: '{"order":9007199254740993}' });
const kept =
  '"job":{"type":"mail","queue":"email","priority":0,"unique_key":"k","unique_until":"ttl","unique_ttl":60,"limit_key":"dev1",' +
  '"max_attempts":9,"timeout":30,"backoff":{"kind":"fixed","base":5},"result_ttl":3600,"correlation_id":"c1","trace_id":"t1",';
const save = () => fireEvent.submit(cron().form as HTMLFormElement);

test('what the dialog does not show of a schedule stays as it is, also what changes while it is open', async () => {
  answer = () =>
    answered(
      line
        .replace('"paused":false', '"paused":true')
        .replace('"last_run_at":null', '"last_run_at":"2026-11-29T02:00:00.000000Z"'),
    );
  const ondone = vi.fn();
  render(TestEditSchedule, { app, schedule: schedule(), ondone });
  await fireEvent.input(cron(), { target: { value: '0 4 * * *' } });
  await save();
  await vi.waitFor(() => expect(ondone).toHaveBeenCalled());
  expect(sent).toEqual([
    'PUT /schedules/nightly "t2" {"cron":"0 4 * * *","timezone":"Europe/Berlin","missed":"all","missed_max":7,"overlap":"queue",' +
      `"paused":true,${kept}"payload":{"order":9007199254740993}}}`,
  ]);
});

test('a payload is edited and sent as it is written', async () => {
  answer = () => answered(line);
  const ondone = vi.fn();
  render(TestEditSchedule, { app, schedule: schedule(), ondone });
  const payload = screen.getByRole<HTMLTextAreaElement>('textbox', { name: /Payload/ });
  expect(payload.value).toBe('{\n  "order": 9007199254740993\n}');
  await fireEvent.input(payload, { target: { value: '{ "order": 9007199254740995 }' } });
  await save();
  await vi.waitFor(() => expect(ondone).toHaveBeenCalled());
  expect(sent[0]).toContain('"payload":{"order":9007199254740995}}}');
});

test.each(['before', 'just when'])('what somebody else changed %s it is saved is not written over', async (when) => {
  const other = line.replace('"max_attempts":9', '"max_attempts":2').replace('0 3 * * *', '0 5 * * *');
  let now = when === 'before' ? other : line;
  answer = (method) => {
    if (method === 'GET') return answered(now);
    now = other;
    return json({ code: 'precondition_failed' }, 412);
  };
  render(TestEditSchedule, { app, schedule: schedule() });
  await fireEvent.input(cron(), { target: { value: '0 4 * * *' } });
  await save();
  await vi.waitFor(() => expect(screen.getByText(/Somebody else changed this/)).toBeTruthy());
  expect(sent).toHaveLength(when === 'before' ? 0 : 1);
  expect(cron().value).toBe('0 4 * * *');
  await fireEvent.click(screen.getByRole('button', { name: 'Load the newer state' }));
  await vi.waitFor(() => expect(cron().value).toBe('0 5 * * *'));
  expect(screen.queryByText(/Somebody else changed this/)).toBeNull();
});

test('a new schedule is not written over one of its name', async () => {
  answer = () => json({ code: 'conflict', detail: 'there is another schedule nightly' }, 409);
  render(TestEditSchedule, { app });
  const name = screen.getByRole<HTMLInputElement>('textbox', { name: /^Name/ });
  expect(name.pattern).toBe('[a-z0-9][a-z0-9_\\-]{0,63}');
  await fireEvent.input(name, { target: { value: 'nightly' } });
  await fireEvent.input(screen.getByRole('textbox', { name: /^Type/ }), { target: { value: 'mail' } });
  await save();
  await vi.waitFor(() => expect(screen.getByText(/there is another schedule nightly/)).toBeTruthy());
  expect(sent[0]).toMatch(
    /^POST \/schedules null \{"id":"nightly",.*"job":\{"type":"mail","queue":"default","payload":\{\}\}\}$/,
  );
  expect(name.value).toBe('nightly');
});
