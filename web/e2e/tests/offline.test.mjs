// The appliance dies under an open page, as by a power cut, and comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { example } from '../lib/paths.mjs';
import { suite } from '../lib/suite.mjs';

const s = suite({ fill: async (appliance) => appliance.upload('ride.RU', example()) });

/** For the tests after one that failed. */
async function alive() {
  if (!s.appliance.running()) await s.appliance.again();
}

// What Chromium itself says of connections that are refused or cut.
const gone =
  /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_FAILED/;

test('what is shown and typed stays, tries are counted, and the page goes on by itself', async (t) => {
  t.after(alive);
  const { page, goto, watched } = await s.open(t);
  watched.allowed.push(gone);
  await goto(`/files/${s.seeded.file.id}/records`);
  await page.locator('.foot .live').filter({ hasText: 'Live' }).waitFor();
  const row = page.locator('.dg-r:not(.wait)').nth(3);
  const before = await row.innerText();
  const field = page.locator('.bar').getByRole('combobox');
  await field.fill('half a que');
  await s.appliance.kill();
  const banner = page.getByRole('status').filter({ hasText: 'No connection to the appliance since' });
  await banner.waitFor();
  await page.locator('.foot .live').filter({ hasText: 'Offline' }).waitFor();
  await page.getByText(/Try [2-9] in [\d.]+\s*m?s/).waitFor();
  assert.equal(await row.innerText(), before, 'rows are kept');
  assert.equal(await field.inputValue(), 'half a que');
  await t.test('what needs the appliance says so, and offers to try again', async () => {
    await page.getByRole('tab', { name: /telegrams/ }).click();
    await page.getByText('The appliance does not answer').first().waitFor();
  });
  await s.appliance.again();
  await banner.waitFor({ state: 'detached' });
  await page.locator('.foot .live').filter({ hasText: 'Live' }).waitFor();
  assert.equal(await field.inputValue(), 'half a que');
  await t.test('the rows come without being asked for again', async () => {
    await page
      .getByRole('grid', { name: 'telegrams' })
      .getByText('0x', { exact: false })
      .or(page.locator('.dg-r:not(.wait)'))
      .first()
      .waitFor();
    await page.getByText('The appliance does not answer').waitFor({ state: 'detached' });
  });
});

test('a list is fresh after it, without anybody loading it anew', async (t) => {
  t.after(alive);
  const { page, goto, watched } = await s.open(t);
  watched.allowed.push(gone);
  await goto('/files');
  await page.getByRole('link', { name: 'ride.RU' }).waitFor();
  await s.appliance.kill();
  await page.getByText('No connection to the appliance').first().waitFor();
  await s.appliance.again();
  // Before the page has noticed: it was not told of this one.
  await s.appliance.upload('while-away.RU', example().subarray(0, 4000));
  const bar = page.getByRole('button', { name: 'Show them' });
  const link = page.getByRole('link', { name: 'while-away.RU' });
  await bar.or(link).first().waitFor({ timeout: 40_000 });
  if (await bar.isVisible()) await bar.click();
  await link.waitFor();
});
