// The frame of all pages: languages, theme, keys, the menu of phones, Back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Appliance } from '../lib/appliance.mjs';
import { openPage, phone } from '../lib/browser.mjs';
import { example } from '../lib/paths.mjs';
import { suite } from '../lib/suite.mjs';

const s = suite({ fill: async (appliance) => appliance.upload('ride.RU', example()) });

test('languages switch at once and stay', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/settings/keys');
  for (const [code, name, heading, files] of [
    ['de', 'Deutsch', 'Einstellungen', 'Dateien'],
    ['zh-TW', '繁體中文', '設定', '檔案'],
    ['en', 'English', 'Settings', 'Files'],
  ]) {
    await page.getByRole('button', { name, exact: true }).click();
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), code);
    await page.getByRole('navigation').getByRole('link', { name: files, exact: true }).waitFor();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
  }
});

test('the browser decides the language at first', async (t) => {
  for (const [locale, word] of [
    ['de-AT', 'Dateien'],
    ['zh-TW', '檔案'],
    ['fr-FR', 'Files'],
  ]) {
    const { page, goto } = await s.open(t, { locale });
    await goto('/');
    await page.getByRole('navigation').getByRole('link', { name: word, exact: true }).waitFor();
  }
});

test('keys go to pages, open the sheet and change the theme; they can be switched off', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/');
  const at = async (path) => page.waitForURL((u) => u.pathname === path);
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await at('/files');
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await at('/logs');
  await page.keyboard.press('?');
  const sheet = page.getByRole('dialog', { name: 'Keyboard' });
  await sheet.waitFor();
  await page.keyboard.press('Escape');
  await sheet.waitFor({ state: 'hidden' });
  const surface = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await surface();
  await page.keyboard.press('t');
  await page.waitForFunction((was) => getComputedStyle(document.body).backgroundColor !== was, light);
  await page.keyboard.press('t');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'INPUT');
  await goto('/settings/keys');
  await page.getByRole('checkbox', { name: /Single keys/ }).uncheck();
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await page.keyboard.press('?');
  assert.equal(new URL(page.url()).pathname, '/settings/keys');
  assert.equal(await sheet.isVisible(), false);
});

test('the menu of a phone opens, closes by Esc, and gives the focus back', async (t) => {
  const { page, goto } = await s.open(t, { view: phone });
  await goto('/files');
  const button = page.getByRole('button', { name: 'Menu' });
  const link = page.getByRole('navigation').getByRole('link', { name: 'Plugins' });
  assert.equal(await link.isVisible(), false);
  await button.click();
  await link.waitFor();
  assert.equal(await button.getAttribute('aria-expanded'), 'true');
  await page.keyboard.press('Escape');
  await link.waitFor({ state: 'hidden' });
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-controls') === 'nav');
  await button.click();
  await link.click();
  await page.getByRole('heading', { level: 1, name: 'Plugins' }).waitFor();
  await link.waitFor({ state: 'hidden' });
});

test('the first Tab reaches the link over the navigation', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/files');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
});

test('Back goes through pages, and an address opens what it says', async (t) => {
  const { page, goto } = await s.open(t);
  await goto('/');
  await page.getByRole('navigation').getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor();
  await goto(`/files/${s.seeded.file.id}/telegrams`);
  await page.getByRole('grid', { name: 'telegrams' }).waitFor();
  await page.goBack();
  await page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor();
  await page.goBack();
  await page.waitForURL((u) => u.pathname === '/');
});

test('an appliance without its Redis-protocol server has nothing to complain of', async (t) => {
  const appliance = await Appliance.start(t, { args: ['--kv-listen', 'off'] });
  const { page, goto } = await openPage(t, s.browser, appliance);
  await goto('/');
  await page.locator('.host').waitFor(); // all that the frame asks for has come, and the appliance may go
});
