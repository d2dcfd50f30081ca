// The mission page and the charts: what one comes for is there in three clicks, zooms are steps of Back, keys do all of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { example } from '../lib/paths.mjs';
import { suite } from '../lib/suite.mjs';

const s = suite({ fill: async (appliance) => appliance.upload('ride.RU', example()) });
const chart = (page) => page.getByRole('slider').first();

/** The highest speed as the table has it. */
async function highest() {
  const path = `/decodes/${s.seeded.decode.id}/tables/records/rows?sort=speed_kmh&order=desc&limit=1&columns=speed_kmh`;
  const { rows } = await s.appliance.api('GET', path);
  return Number(rows[0][0] ?? rows[0].speed_kmh);
}

test('highest speed and nearest balise group in three clicks', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/');
  await page.getByRole('navigation').getByRole('link', { name: 'Files' }).click();
  await page.locator('main').getByRole('link', { name: 'ride.RU' }).click();
  await page.getByRole('link', { name: 'Mission' }).click();
  const facts = page.getByRole('group', { name: 'The run in figures' });
  await facts.getByText('Highest speed').waitFor();
  const speed = (await highest()).toFixed(1);
  assert.ok((await facts.innerText()).includes(speed), `the highest speed, ${speed}, is not there`);
  const readout = page.getByRole('group', { name: 'At the cursor' });
  assert.match(await readout.innerText(), /Nearest balise group\s+\d+\s*\/\s*\d+/);
});

test('a zoom is one step of Back, and stands in the address', async (t) => {
  const { page, goto } = await s.open(t);
  const path = `/files/${s.seeded.file.id}/mission`;
  await goto('/files');
  await goto(path);
  await chart(page).waitFor();
  const query = () => new URL(page.url()).searchParams;
  await chart(page).focus();
  await page.keyboard.press('+');
  await page.waitForURL(/from=.*to=/);
  const once = query().get('from');
  await page.keyboard.press('+');
  await page.waitForFunction((was) => new URL(location.href).searchParams.get('from') !== was, once);
  // The cursor moves without making steps.
  for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
  await page.waitForURL(/at=/);
  await page.goBack();
  await page.waitForFunction((was) => new URL(location.href).searchParams.get('from') === was, once);
  await page.goBack();
  await page.waitForURL((u) => !u.searchParams.has('from'));
  assert.equal(new URL(page.url()).pathname, path);
  await page.goForward();
  await page.waitForFunction((was) => new URL(location.href).searchParams.get('from') === was, once);
  await page.reload();
  await chart(page).waitFor();
  assert.equal(query().get('from'), once, 'an address opens as it was');
});

test('drawing a stretch zooms to it', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/mission`);
  const box = await chart(page).boundingBox();
  const y = box.y + 60;
  await page.mouse.move(box.x + box.width * 0.3, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.4, y, { steps: 4 });
  await page.mouse.move(box.x + box.width * 0.6, y, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/);
  await page.keyboard.press('0');
  await page.waitForURL((u) => !u.searchParams.has('from'));
});

test('keys alone: files, the file, its rows, its mission', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/');
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await page.waitForURL((u) => u.pathname === '/files');
  await page.locator('main').getByRole('link', { name: 'ride.RU' }).waitFor();
  await tabTo(page, (e) => e.matches('main a, main [role=row], main tr, main [role=grid], main table'), 'the list');
  // From the list Enter opens: the row that has the focus, or the link in it.
  for (let i = 0; i < 3 && new URL(page.url()).pathname === '/files'; i++) {
    if (i > 0) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForTimeout(150);
  }
  await page.waitForURL(/\/files\/f\d+/);
  await page.getByRole('grid', { name: 'records' }).waitFor();
  await tabTo(page, (e) => e.getAttribute('role') === 'grid', 'the rows');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.waitForURL(/row=\d+/);
  await page.keyboard.press('Shift+Tab');
  await tabTo(page, (e) => e.textContent.trim() === 'Mission', 'the button Mission', 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/mission/);
  await tabTo(page, (e) => e.getAttribute('role') === 'slider', 'the chart');
  const said = () => page.evaluate(() => document.activeElement.getAttribute('aria-valuetext'));
  const before = await said();
  await page.keyboard.press('Shift+ArrowLeft');
  await page.waitForFunction((was) => document.activeElement.getAttribute('aria-valuetext') !== was, before);
  assert.match(await said(), /km .*km\/h/);
  await page.keyboard.press('a');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('b');
  await page.getByText(/^B − A:/).waitFor();
});

test('the picture and the values are saved', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/mission`);
  for (const [button, name, check] of [
    ['Picture (PNG)', 'ride.RU.mission.png', (b) => b.subarray(1, 4).toString() === 'PNG' && b.length > 10_000],
    ['Values shown (CSV)', 'ride.RU.mission.csv', (b) => b.toString().split('\n').length > 100],
  ]) {
    const item = page.getByRole('button', { name: button });
    if (!(await item.isVisible())) await page.getByText('Export', { exact: true }).click();
    const [file] = await Promise.all([page.waitForEvent('download'), item.click()]);
    assert.equal(file.suggestedFilename(), name);
    assert.ok(check(readFileSync(await file.path())), `${name} is not what it should be`);
  }
});

test('columns of a table are drawn, and the address says which', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/files/${s.seeded.file.id}/records`);
  await page.getByRole('link', { name: 'Chart columns' }).click();
  await page.waitForURL(/\/charts\?d=/);
  await chart(page).waitFor();
  await chart(page).focus();
  await page.keyboard.press('+');
  await page.waitForURL(/from=.*to=/);
  await page.goBack();
  await page.waitForURL((u) => !u.searchParams.has('from'));
});

test('a batch of recordings of the same time is no run, and leads to each of them', async (t) => {
  const twin = await s.appliance.upload('twin.RU', Buffer.concat([example(), Buffer.from([0])])); // another content
  let batch = await s.appliance.api('POST', '/batches', { name: 'twins', file_ids: [s.seeded.file.id, twin.file.id] });
  while (!batch.finished_at) batch = await s.appliance.api('GET', `/batches/${batch.id}?wait=30`);
  const { page, goto } = await s.open(t);
  await goto(`/batches/${batch.id}`);
  await page.getByRole('link', { name: 'Mission', exact: true }).click();
  await page.waitForURL(/\/batches\/.+\/mission/);
  await page.getByText('These recordings are of the same time').waitFor();
  await page.locator('main').getByRole('link', { name: 'twin.RU' }).click();
  await page.waitForURL(new RegExp(`/files/${twin.file.id}/mission`));
  await chart(page).waitFor();
});

/** Presses Tab until what has the focus is what is looked for. */
async function tabTo(page, wanted, what, key = 'Tab') {
  for (let i = 0; i < 120; i++) {
    if (await page.evaluate(`(${wanted})(document.activeElement)`)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${what} cannot be reached by ${key}`);
}
