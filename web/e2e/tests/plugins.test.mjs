// Plugins over the console: one that is broken, with its reason, no module at all, and one that works.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guest, trackLog } from '../lib/paths.mjs';
import { suite } from '../lib/suite.mjs';
import { broken } from '../lib/wasm.mjs';

const s = suite();
const chooser = (page) => page.locator('main input[type=file]');
const give = (page, name, buffer) => chooser(page).setInputFiles({ name, mimeType: 'application/wasm', buffer });

test('a module that is broken is rejected, with the check at which it stopped', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/plugins');
  await give(page, 'broken.wasm', broken(guest()));
  await page
    .getByText(/was rejected\./)
    .first()
    .waitFor({ timeout: 40_000 });
  const { items } = await s.appliance.api('GET', '/plugins');
  const bad = items.find((p) => p.state === 'rejected');
  assert.ok(bad, 'the appliance did not reject it');
  await page.getByRole('button', { name: 'Show checks' }).first().click();
  await page.getByText(bad.reason).first().waitFor();
  await page.getByText('it stopped here').first().waitFor();
});

test('what is no module is refused, and nothing else happens', async (t) => {
  const { page, goto, watched } = await s.open(t);
  watched.allowed.push(/status of 4\d\d/);
  await goto('/plugins');
  const before = (await s.appliance.api('GET', '/plugins')).items.length;
  await give(page, 'notes.wasm', Buffer.from('no module'));
  await page.getByText('notes.wasm is no plugin.').waitFor();
  assert.equal((await s.appliance.api('GET', '/plugins')).items.length, before);
});

test('one that works is compiled, and decodes at once', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/plugins');
  await give(page, 'tracklog.wasm', guest());
  await page
    .getByText(/is active\./)
    .first()
    .waitFor({ timeout: 60_000 });
  const { decode } = await s.appliance.upload('a.log', trackLog());
  assert.equal(decode.status, 'done');
  await goto(`/files/${decode.file_id}`);
  await page.getByRole('tab', { name: /records/ }).waitFor();
  await page.getByRole('link', { name: new RegExp(decode.decoder.id) }).waitFor();
});
