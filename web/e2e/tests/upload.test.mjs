// Bringing recordings in: chosen, dropped, many, cut off by a reload, refused. From the file to its rows and out again.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  openSync,
  closeSync,
  ftruncateSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { example, haveSamples } from '../lib/paths.mjs';
import { suite } from '../lib/suite.mjs';

const s = suite();
const dir = mkdtempSync(join(tmpdir(), 'wayside-e2e-up-'));
after(() => rmSync(dir, { recursive: true }));

const chooser = (page) => page.locator('input[type=file]:not([webkitdirectory])');
const link = (page, name) =>
  page.getByRole('table').or(page.getByRole('grid')).getByRole('link', { name, exact: true });

/** Drops files on the page as a file manager does. */
async function drop(page, files) {
  const data = await page.evaluateHandle(
    (list) => {
      const transfer = new DataTransfer();
      for (const { name, base64 } of list) {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
      }
      return transfer;
    },
    files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString('base64') })),
  );
  for (const type of ['dragenter', 'dragover']) await page.dispatchEvent('main', type, { dataTransfer: data });
  await page.getByText('Let go to upload').waitFor();
  await page.dispatchEvent('main', 'drop', { dataTransfer: data });
  await page.getByText('Let go to upload').waitFor({ state: 'detached' });
}

test('an empty appliance says how to begin', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/files');
  await page.getByRole('heading', { name: 'No recordings yet' }).waitFor();
});

test('a recording that is chosen becomes a table, which filters, draws and is downloaded', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/files');
  await chooser(page).setInputFiles({ name: 'chosen.RU', mimeType: 'application/octet-stream', buffer: example() });
  await link(page, 'chosen.RU').waitFor();
  await page.getByRole('row').filter({ hasText: 'chosen.RU' }).getByText('Done').waitFor();
  await link(page, 'chosen.RU').click();
  await page.getByRole('heading', { level: 1, name: 'chosen.RU' }).waitFor();
  await page.getByRole('grid', { name: 'records' }).waitFor();
  await page.locator('input[data-column="speed_kmh"]').fill('> 60');
  await page.keyboard.press('Enter');
  await page.getByText(/\d+ of 357 rows match/).waitFor();
  await page.getByText('Download', { exact: true }).click();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'records, as filtered .ndjson' }).click(),
  ]);
  const rows = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));
  assert.ok(rows.length > 5 && rows.every((r) => r.speed_kmh > 60));
});

test('files dropped on any page are uploaded, and the console goes to the list', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/settings/about');
  const cut = (n) => ({ name: `dropped-${n}.RU`, bytes: example().subarray(0, 3000 + n) });
  await drop(page, [cut(1), cut(2), cut(3), cut(4), cut(5)]);
  await page.waitForURL((u) => u.pathname === '/files');
  for (const n of [1, 2, 3, 4, 5]) await link(page, `dropped-${n}.RU`).waitFor();
  const { items } = await s.appliance.api('GET', '/files?limit=100');
  const sent = items.find((f) => f.name === 'dropped-4.RU');
  assert.equal(sent.sha256, createHash('sha256').update(cut(4).bytes).digest('hex'));
  await t.test('and leave the list of uploads after a while', async () => {
    await page.getByRole('region', { name: 'Uploads' }).waitFor({ state: 'detached' });
  });
});

test('an upload goes on after a reload where it was', async (t) => {
  const { page, context, goto, watched } = await s.open(t);
  watched.allowed.push(/ERR_(ABORTED|FAILED)/);
  const path = join(dir, 'long.bin');
  const size = 96 << 20;
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  for (let at = 0; at < size; at += 1 << 20) writeSync(file, Buffer.from(`part ${at}`), 0, undefined, at);
  closeSync(file);
  await goto('/files');
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  await cdp.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 12 << 20,
  });
  await chooser(page).setInputFiles(path);
  const meter = page.getByRole('progressbar', { name: /long\.bin/ }).or(page.getByRole('meter', { name: /long\.bin/ }));
  await meter.waitFor();
  // A part is there. The appliance is not asked: who asks where an upload is takes it over.
  await page.waitForFunction(() => {
    const meter = [...document.querySelectorAll('[role=progressbar]')].find((e) =>
      (e.ariaLabel ?? '').includes('long.bin'),
    );
    return Number(meter?.ariaValueNow ?? 0) > 5;
  });
  // "Leave the page?": browsers ask only who has touched the page.
  await page.getByRole('heading', { level: 1 }).click();
  const asked = page.waitForEvent('dialog');
  await Promise.all([page.reload(), asked.then((dialog) => dialog.accept())]);
  assert.equal((await asked).type(), 'beforeunload');
  await page.getByText('One upload was not finished').waitFor();
  await page.getByText('long.bin').first().waitFor();
  const had = await page.evaluate(async () => {
    const [one] = JSON.parse(localStorage.getItem('wayside.uploads') ?? '[]');
    const head = await fetch(one.url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } });
    return Number(head.headers.get('Upload-Offset'));
  });
  assert.ok(had > 1 << 20 && had < size, `${had} bytes were there`);
  const sent = [];
  page.on('request', (r) => r.method() === 'PATCH' && sent.push(Number(r.headers()['upload-offset'])));
  await cdp.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: -1,
  });
  await chooser(page).setInputFiles(path);
  await link(page, 'long.bin').waitFor({ timeout: 60_000 });
  assert.equal(sent[0], had, 'where it went on');
  await page.getByText('One upload was not finished').waitFor({ state: 'detached' });
  const { items } = await s.appliance.api('GET', '/files?limit=1');
  assert.equal(items[0].sha256, createHash('sha256').update(readFileSync(path)).digest('hex'));
});

test('an upload waits while the appliance is away, and goes on by itself', async (t) => {
  const { page, context, goto, watched } = await s.open(t);
  watched.allowed.push(/ERR_/);
  const path = join(dir, 'away.bin');
  writeFileSync(path, Buffer.alloc(24 << 20, 'wayside'));
  await goto('/files');
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  await cdp.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 4 << 20,
  });
  await chooser(page).setInputFiles(path);
  await page.waitForFunction(() => (localStorage.getItem('wayside.uploads') ?? '[]') !== '[]');
  await s.appliance.kill();
  await page.getByText('No connection to the appliance since').first().waitFor();
  await cdp.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: -1,
  });
  await s.appliance.again();
  await link(page, 'away.bin').waitFor({ timeout: 90_000 });
  const { items } = await s.appliance.api('GET', '/files?limit=1');
  assert.equal(items[0].size, 24 << 20);
});

test('what nobody can decode says so', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/files');
  await chooser(page).setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no recording') });
  await page.getByRole('row').filter({ hasText: 'notes.txt' }).getByText('Unknown format').waitFor();
});

test('real recordings', { skip: haveSamples() ? false : 'no sample collection beside the checkout' }, async (t) => {
  const { firstSamples } = await import('../lib/samples.mjs');
  const { page, goto } = await s.open(t);
  for (const { name, bytes } of firstSamples()) {
    await t.test(name, async () => {
      const { file, decode } = await s.appliance.upload(name, bytes);
      assert.ok(decode, 'it has no decode');
      await goto(`/files/${file.id}`);
      await page.getByRole('heading', { level: 1, name }).waitFor();
    });
  }
});
