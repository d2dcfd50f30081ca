// A dead job: found, understood, mended and tried again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seed } from '../lib/seed.mjs';
import { suite } from '../lib/suite.mjs';

const s = suite({ fill: seed });
const drawer = (page) => page.getByRole('complementary', { name: 'Job' });
const job = (id) => s.appliance.api('GET', `/jobs/${id}`);

test('a dead job says why, is edited and replayed', async (t) => {
  const { page, goto } = await s.open(t);
  const [{ id }] = s.seeded.dead;
  await goto(`/jobs?state=dead&job=${id}`);
  await drawer(page).getByText('connection refused by 192.0.2.7:25').waitFor();
  await drawer(page).getByRole('button', { name: /^Edit/ }).click();
  const payload = page.getByLabel('Payload, JSON');
  await payload.fill('{"to": ');
  await page.getByText(/This is no JSON/).waitFor();
  const save = page.getByRole('button', { name: 'Save and retry' });
  assert.ok(await save.isDisabled());
  assert.equal((await job(id)).status, 'dead');
  await payload.fill('{"to": "depot-9", "subject": "Ride"}');
  await save.click();
  await page.getByText('The job is changed and retried.').first().waitFor();
  const now = await job(id);
  assert.equal(now.status, 'ready');
  assert.deepEqual(now.payload, { to: 'depot-9', subject: 'Ride' });
  await t.test('and the worker gets what was written', async () => {
    const { jobs } = await s.appliance.api('POST', '/leases', { worker: 'mailer-1', types: ['mail'], max: 1 });
    assert.equal(jobs[0].id, id);
    assert.equal(jobs[0].payload.to, 'depot-9');
    await s.appliance.api('POST', '/leases', {
      worker: 'mailer-1',
      types: ['mail'],
      ack: [{ lease: jobs[0].lease, id }],
    });
    await drawer(page).getByText('Completed').first().waitFor();
  });
});

test('the list has the last error of each', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/jobs?state=dead');
  await page.getByText('connection refused by 192.0.2.7:25').first().waitFor({ timeout: 3000 });
});

test('what cannot work in a state is not offered', async (t) => {
  const { page, goto } = await s.open(t);
  await goto(`/jobs?job=${s.seeded.ready.id}`);
  await drawer(page).getByText(s.seeded.ready.id).first().waitFor();
  assert.equal(
    await drawer(page)
      .getByRole('button', { name: /^Retry/ })
      .count(),
    0,
  );
  assert.equal(
    await drawer(page)
      .getByRole('button', { name: /^Cancel/ })
      .count(),
    1,
  );
  await goto(`/jobs?job=${s.seeded.dead[2].id}`);
  await drawer(page).getByText(s.seeded.dead[2].id).first().waitFor();
  assert.equal(
    await drawer(page)
      .getByRole('button', { name: /^Retry/ })
      .count(),
    1,
  );
  assert.equal(
    await drawer(page)
      .getByRole('button', { name: /^Cancel/ })
      .count(),
    0,
  );
});

test('Esc closes the drawer, Back opens it again', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/jobs?state=dead');
  await page.locator('main').getByRole('link', { name: 'mail' }).first().click();
  await drawer(page).waitFor();
  await page.waitForURL(/job=/);
  await page.keyboard.press('Escape');
  await drawer(page).waitFor({ state: 'detached' });
  await page.waitForURL((u) => !u.search.includes('job='));
});

test('all dead jobs are retried at once, and the page says how many', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/jobs?state=dead&queue=mail');
  const before = (await s.appliance.api('GET', '/jobs?status=dead&limit=100')).items.length;
  assert.ok(before > 0, 'no job is dead');
  await page.getByRole('checkbox', { name: 'Select all shown' }).check();
  await page.getByRole('button', { name: /^Retry \d+/ }).click();
  await page
    .getByText(new RegExp(`${before} jobs? retried, 0 refused`))
    .first()
    .waitFor();
  assert.equal((await s.appliance.api('GET', '/jobs?status=dead&limit=100')).items.length, 0);
});

test('a job can be found by its payload', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/jobs');
  await page.getByRole('searchbox', { name: 'Filter jobs' }).fill('depot-1');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=depot-1/);
  await page.waitForFunction(() => document.querySelectorAll('main tbody tr').length === 1);
});
