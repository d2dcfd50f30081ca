// Signing in: a wrong token, the right one, one that may only read, and out again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled } from '../lib/browser.mjs';
import { example } from '../lib/paths.mjs';
import { suite } from '../lib/suite.mjs';

const s = suite({
  env: { WAYSIDE_AUTH_REQUIRED: 'true' },
  fill: async (appliance) => {
    appliance.token = appliance.adminToken();
    const { file } = await appliance.upload('ride.RU', example());
    const { secret } = await appliance.api('POST', '/tokens', { name: 'reader', scopes: ['read'] });
    return { file, secret };
  },
});

async function signIn(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.locator('main').getByRole('button', { name: 'Sign in' }).click();
}

test('a token is asked for, and what one was about to see comes after it', async (t) => {
  const { page, watched } = await s.open(t);
  watched.allowed.push(/status of 401/);
  const path = `/files/${s.seeded.file.id}`;
  await page.goto(s.appliance.url + path);
  await signIn(page, 'wst_wrong');
  const alert = page.getByRole('alert');
  await alert.filter({ hasText: 'not valid' }).waitFor();
  assert.equal(await page.getByLabel('Token').getAttribute('aria-invalid'), 'true');
  await signIn(page, s.appliance.token);
  await page.getByRole('heading', { level: 1, name: 'ride.RU' }).waitFor();
  assert.equal(new URL(page.url()).pathname, path);
  assert.ok(await page.getByRole('button', { name: 'Decode again' }).isEnabled());
  await t.test('the token is nowhere that scripts can read', async () => {
    const kept = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]),
    );
    assert.ok(!kept.includes(s.appliance.token), kept);
  });
  await t.test('and signing out asks for it again', async () => {
    await page.goto(s.appliance.url + '/settings/about');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await page.goto(s.appliance.url + path);
    await page.getByLabel('Token').waitFor();
    assert.equal(await page.getByRole('heading', { name: 'ride.RU' }).count(), 0);
  });
});

test('who may only read sees actions that need more switched off, with the reason', async (t) => {
  const { page, goto, watched } = await s.open(t);
  watched.allowed.push(/status of 401/);
  await page.goto(s.appliance.url + '/');
  await signIn(page, s.seeded.secret);
  await settled(page);
  watched.allowed.pop();
  await goto(`/files/${s.seeded.file.id}`);
  await off(page.getByRole('button', { name: 'Decode again' }), /needs the right upload/);
  await page.getByText('Download', { exact: true }).click();
  await off(page.getByRole('button', { name: 'Delete' }), /needs the right admin/);
  await goto('/settings/tokens');
  await off(page.getByRole('button', { name: 'New token' }), /needs the right admin/);
});

async function off(button, why) {
  await button.waitFor();
  assert.ok(await button.isDisabled(), `${button} is on`);
  assert.match((await button.getAttribute('title')) ?? '', why);
}
