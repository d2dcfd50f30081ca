// The page of a recording: rows, filters, sorting, bytes, issues, downloads, deleting; by pointer and by keys alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { example } from '../lib/paths.mjs';
import { suite } from '../lib/suite.mjs';

const s = suite({ fill: async (appliance) => appliance.upload('ride.RU', example()) });

const grid = (page, name = 'records') => page.getByRole('grid', { name });
const filter = (page, column) => page.locator(`input[data-column="${column}"]`);
const chips = (page) => page.locator('.chips .chip');
/** All rows of a table as the API gives them. */
const rows = (query) => s.appliance.api('GET', `/decodes/${s.seeded.decode.id}/tables/${query}`);

test('a filter is in the address, Back takes it out, and the rows are those that match', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records`);
  const all = Number(await grid(page).getAttribute('aria-rowcount'));
  await filter(page, 'speed_kmh').fill('> 60');
  await filter(page, 'speed_kmh').press('Enter');
  await page.waitForURL(/where=speed_kmh:gt:60/);
  const { total } = await rows('records/rows?where=speed_kmh:gt:60&count=true&limit=1');
  await page.waitForFunction(
    ([n, was]) => document.querySelector('[role=grid]')?.ariaRowCount === String(was - n),
    [357 - total, all],
  );
  await page.getByText(`${total} of 357 rows match`).waitFor();
  const speeds = await column(page, 'speed_kmh');
  assert.ok(speeds.length > 5 && speeds.every((v) => Number(v) > 60), speeds.join());
  await page.goBack();
  await page.waitForURL((u) => !u.search.includes('where'));
  await page.getByText('357 rows').first().waitFor();
  assert.equal(await filter(page, 'speed_kmh').inputValue(), '');
});

test('the list draws the speed of a recording', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/files');
  const line = page.getByRole('row', { name: /ride\.RU/ }).locator('svg path[d*="L"]');
  await line.first().waitFor();
});

test('a filter that cannot be is said at its field', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records`);
  await filter(page, 'speed_kmh').fill('fast');
  await filter(page, 'speed_kmh').press('Enter');
  await page.getByRole('alert').filter({ hasText: 'takes a number' }).waitFor();
  assert.equal(await filter(page, 'speed_kmh').getAttribute('aria-invalid'), 'true');
  assert.ok(!page.url().includes('where'));
});

test('a click on a head sorts, in the address too', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records`);
  const head = grid(page).getByRole('columnheader', { name: /^speed_kmh/ });
  await head.getByRole('button').click();
  await page.waitForURL(/sort=-?speed_kmh/);
  assert.match((await head.getAttribute('aria-sort')) ?? '', /ascending|descending/);
  const first = async () => (await column(page, 'speed_kmh')).slice(0, 8).map(Number);
  if ((await head.getAttribute('aria-sort')) === 'ascending') await head.getByRole('button').click();
  await page.waitForURL(/sort=-speed_kmh/);
  const best = (await rows('records/rows?sort=speed_kmh&order=desc&limit=8&columns=speed_kmh')).rows.map((r) =>
    Number(r[0] ?? r.speed_kmh),
  );
  await page.waitForFunction(
    (v) => document.querySelector('.dg-body:not(.old) .dg-r:not(.wait)')?.textContent.includes(v),
    String(Math.trunc(best[0])),
  );
  assert.deepEqual(await first(), best);
});

test('a row shows its bytes, and an issue goes to its row', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records`);
  await grid(page).locator('.dg-r').nth(4).click();
  await page.waitForURL(/row=\d+/);
  const pane = page.getByRole('complementary', { name: 'Bytes of the selected row' });
  const row = Number(new URL(page.url()).searchParams.get('row'));
  const { rows: one } = await rows(`records/rows?offset=${row}&limit=1&columns=offset`);
  const offset = Number(one[0][0] ?? one[0].offset);
  const line = pane.getByText(offset.toString(16).toUpperCase().padStart(6, '0').replace(/.$/, '0'), { exact: true });
  await line.waitFor();
  // The bytes are those of the recording.
  const start = offset & ~15;
  const want = [...example().subarray(start, start + 16)]
    .map((b) => b.toString(16).toUpperCase().padStart(2, '0'))
    .join('');
  const text = (await pane.innerText()).replace(/\s+/g, '');
  assert.ok(text.includes(want), `${want} is not among the bytes shown`);
  await page.keyboard.press('Escape');
  await page.keyboard.press('n');
  await page.waitForURL(/at=\d+/);
});

test('what is downloaded is what is shown', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records?where=speed_kmh:gt:60`);
  await page.getByText('Download', { exact: true }).click();
  const [table] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'records, as filtered .csv' }).click(),
  ]);
  const lines = readFileSync(await table.path(), 'utf8')
    .trim()
    .split(/\r?\n/);
  const { total } = await rows('records/rows?where=speed_kmh:gt:60&count=true&limit=1');
  assert.equal(lines.length - 1, total);
  const at = lines[0].split(',').indexOf('speed_kmh');
  assert.ok(lines.slice(1).every((l) => Number(l.split(',')[at]) > 60));
  assert.equal(table.suggestedFilename(), 'ride-records.csv');
  if (!(await page.getByRole('link', { name: /The recording itself/ }).isVisible()))
    await page.getByText('Download', { exact: true }).click();
  const [whole] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: /The recording itself/ }).click(),
  ]);
  assert.ok(readFileSync(await whole.path()).equals(example()));
});

test('keys alone reach a cell, filter its column, sort it, and leave', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records`);
  for (let i = 0; i < 60 && (await page.evaluate(() => document.activeElement?.getAttribute('role'))) !== 'grid'; i++) {
    await page.keyboard.press('Tab');
  }
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'grid');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Space');
  await page.waitForURL(/row=\d+/);
  await page.keyboard.press('End');
  await page.waitForFunction(() =>
    [...document.querySelectorAll('[role=grid] [role=row]')].some(
      (r) => r.ariaRowIndex === document.querySelector('[role=grid]').ariaRowCount,
    ),
  );
  await page.keyboard.press('Home');
  await page.keyboard.press('f');
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'INPUT');
  await page.keyboard.type('< 40');
  await page.keyboard.press('Enter');
  await page.waitForURL(/where=/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.waitForURL((u) => !u.search.includes('where'));
});

test('deleting waits eight seconds and can be taken back', async (t) => {
  const { file } = await s.appliance.upload('short.RU', example().subarray(0, 3000));
  const { page, goto } = await s.open(t);
  await goto(`/files/${file.id}`);
  const remove = async () => {
    await page.getByText('Download', { exact: true }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByText(/Recording short\.RU and its tables will be deleted\. In \d s/).waitFor();
  };
  await remove();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('button', { name: 'Undo' }).waitFor({ state: 'detached' });
  assert.equal((await s.appliance.api('GET', `/files/${file.id}`)).name, 'short.RU');
  await remove();
  await page.waitForURL((u) => u.pathname === '/files', { timeout: 15_000 });
  await assert.rejects(s.appliance.api('GET', `/files/${file.id}`), /404/);
});

test('a chip takes its filter out', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records?where=speed_kmh:gt:60&where=type:eq:1`);
  assert.equal(await chips(page).count(), 2);
  await chips(page).first().getByRole('button').click();
  await page.waitForURL((u) => u.searchParams.getAll('where').length === 1);
});

/** The texts of a column as they are on the page, from above. */
async function column(page, name) {
  await page.locator('.dg-body:not(.old) .dg-r:not(.wait)').first().waitFor();
  return page.evaluate((wanted) => {
    const heads = [...document.querySelectorAll('[role=grid] [role=columnheader]')];
    const at = heads.findIndex((h) => h.textContent.trim().startsWith(wanted));
    const lines = [...document.querySelectorAll('.dg-r:not(.wait)')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex);
    return lines.map((l) => l.children[at].textContent.replace(/[\s\u202f\u2009]/g, ''));
  }, name);
}
