// Every page, in both themes and at two widths: what a rule can find of accessibility, no sideways scroll, a picture.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { Appliance } from '../lib/appliance.mjs';
import { openBrowser, openPage, phone, wide } from '../lib/browser.mjs';
import { pages } from '../lib/pages.mjs';
import { results } from '../lib/paths.mjs';
import { seed } from '../lib/seed.mjs';

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = results('pages');
const ends = [];
let appliance;
let browser;
let all;

before(async () => {
  appliance = await Appliance.start({ after: (end) => ends.push(end) });
  all = pages(await seed(appliance));
  browser = await openBrowser((end) => ends.push(end));
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

for (const theme of ['light', 'dark']) {
  for (const view of [wide, phone]) {
    test(`pages, ${theme}, ${view.width} px`, async (t) => {
      const { page, goto, watched } = await openPage(t, browser, appliance, { theme, view });
      for (const { name, path } of all) {
        await t.test(name, async () => {
          await goto(path);
          await page.screenshot({ path: join(shots, `${name}-${view.width}-${theme}.png`) });
          assert.notEqual(await page.locator('main').innerText(), '', 'there is nothing on the page');
          const found = await new AxeBuilder({ page }).withTags(rules).analyze();
          assert.deepEqual(found.violations.map(short), [], 'axe');
          assert.ok((await sideways(page)) <= 0, `the page scrolls sideways by ${await sideways(page)} px`);
          watched.check();
        });
      }
    });
  }
}

// Zoom makes the window narrower in CSS px and everything larger: 1280 px at 200 % are 640, at 400 % (WCAG 1.4.10) 320.
for (const [what, view, scale] of [
  ['320 px', { width: 320, height: 640 }, 1],
  ['200 %', { width: 640, height: 400 }, 2],
]) {
  test(`no page scrolls sideways at ${what}`, async (t) => {
    const { page, goto } = await openPage(t, browser, appliance, { view, deviceScaleFactor: scale, hasTouch: false });
    for (const { name, path } of all) {
      await t.test(name, async () => {
        await goto(path);
        const over = await sideways(page);
        assert.ok(over <= 0, `by ${over} px: ${await widest(page)}`);
      });
    }
  });
}

test('nothing moves where motion is not wanted', async (t) => {
  const { page, goto } = await openPage(t, browser, appliance, { reducedMotion: 'reduce' });
  for (const { name, path } of all) {
    await t.test(name, async () => {
      await goto(path);
      assert.deepEqual(await page.evaluate(moving), []);
    });
  }
});

test('what is chosen is told apart where the system forces its colours', async (t) => {
  const { page, goto } = await openPage(t, browser, appliance, { forcedColors: 'active' });
  const file = all.find((p) => p.name === 'file-row').path;
  for (const [path, chosen, other] of [
    [file, '.dg-r.sel > div', '.dg-r:not(.sel) > div'],
    [file, '[role=tab][aria-selected=true]', '[role=tab][aria-selected=false]'],
    [file, '.nav a[aria-current]', '.nav ul a:not([aria-current])'],
    ['/files', '.seg button[aria-pressed=true]', '.seg button[aria-pressed=false]'],
    [all.find((p) => p.name === 'job').path, 'tr[aria-selected=true] td', 'tr[aria-selected=false] td'],
  ]) {
    await t.test(chosen, async () => {
      await goto(path);
      const colours = (selector) =>
        page
          .locator(selector)
          .first()
          .evaluate((e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]);
      const [a, b] = [await colours(chosen), await colours(other)];
      assert.notEqual(a[0], b[0], `${a} and ${b}`);
      assert.notEqual(a[0], a[1]);
    });
  }
});

test('targets are at least 24 px high and wide for fingers', async (t) => {
  const { page, goto } = await openPage(t, browser, appliance, { view: phone, hasTouch: true, isMobile: true });
  for (const { name, path } of all) {
    await t.test(name, async () => {
      await goto(path);
      assert.deepEqual(await page.evaluate(small), []);
    });
  }
});

test('what needs somebody can be acted on at a phone', async (t) => {
  const { page, goto } = await openPage(t, browser, appliance, { view: phone });
  await goto('/');
  const right = await page
    .locator('.needs .act a')
    .evaluateAll((all) => all.map((a) => a.getBoundingClientRect().right));
  assert.ok(right.length > 2 && right.every((x) => x <= phone.width), `their right edges are at ${right}`);
});

/** What has a transition or an animation that one could see. */
function moving() {
  const long = (s) => s.split(',').some((d) => parseFloat(d) * (d.trim().endsWith('ms') ? 1 : 1000) > 10);
  return [...document.querySelectorAll('body *')]
    .filter((e) => {
      const s = getComputedStyle(e);
      return long(s.transitionDuration) || (s.animationName !== 'none' && long(s.animationDuration));
    })
    .map((e) => e.tagName + '.' + e.className);
}

/** Controls that are seen and smaller than 24 px, but for links within text (WCAG 2.5.8 exempts them). */
function small() {
  const controls = document.querySelectorAll('button, summary, select, input:not([type=hidden]), a.btn, nav a');
  return [...controls]
    .filter((e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.tabIndex >= 0)
    .map((e) => [e, (e.matches('label input') ? e.closest('label') : e).getBoundingClientRect()])
    .filter(([, r]) => r.width > 1 && r.height > 1 && (r.width < 23.5 || r.height < 23.5))
    .map(
      ([e, r]) =>
        `${e.tagName}.${e.className} "${e.textContent.trim().slice(0, 30)}" ${r.width.toFixed(0)} x ${r.height.toFixed(0)}`,
    );
}

const short = (v) =>
  `${v.id} (${v.impact}): ${v.nodes.map((n) => `${n.target.join(' ')}: ${n.html.slice(0, 160)}`).join('; ')}`;

/** How many px the document is wider than the window. */
const sideways = (page) =>
  page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth);

/** What reaches farthest to the right, to find the culprit. */
const widest = (page) =>
  page.evaluate(() => {
    const far = [...document.querySelectorAll('body *')].map((e) => [e.getBoundingClientRect().right, e]);
    const [right, e] = far.reduce((a, b) => (b[0] > a[0] ? b : a));
    return `${e.tagName}.${e.className} ends at ${right.toFixed(0)}`;
  });
