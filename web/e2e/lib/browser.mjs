// A browser, and pages that are watched: what a page must never do fails the test that opened it.
import assert from 'node:assert/strict';
import { chromium as engine } from 'playwright-core';
import { chromium } from './paths.mjs';

export const wide = { width: 1440, height: 900 };
export const phone = { width: 390, height: 844 };

/** Arguments without which Chromium asks the network for things of its own. */
export const flags = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
];

/** A browser for all tests of one file; `after` is that of node:test. */
export async function openBrowser(after, more = []) {
  const browser = await engine.launch({ executablePath: chromium, args: [...flags, ...more] });
  after(() => browser.close());
  return browser;
}

/** What a page did that none may do: see `watch`. */
export class Watched {
  /** Console errors that the test expects, as while the appliance is killed. */
  allowed = [];
  problems = [];
  requests = 0;

  constructor(origin) {
    this.origin = origin;
  }

  add(text) {
    this.problems.push(text);
  }

  /** Fails if something was seen. */
  check() {
    const seen = this.problems.filter((p) => !this.allowed.some((a) => a.test(p)));
    assert.deepEqual(seen, [], 'what the page did');
    assert.ok(this.requests > 0, 'no request was seen at all');
  }
}

/**
 * Opens a page of the console in a context of its own. What it must not do is noted and fails the test at its end: requests
 * that leave the origin, breaches of the Content-Security-Policy, console errors, exceptions, answers of 500 and above.
 */
export async function openPage(t, browser, appliance, { theme = 'light', view = wide, ...more } = {}) {
  const context = await browser.newContext({
    viewport: view,
    colorScheme: theme,
    hasTouch: view.width < 760,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    acceptDownloads: true,
    ...more,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const watched = new Watched(new URL(appliance.url).origin);
  await watch(context, page, watched);
  // The first hook that is registered runs first: the check comes before the context goes.
  t.after(async () => {
    await context.close();
    watched.check();
  });
  return { page, context, watched, goto: (path) => goto(page, appliance, path) };
}

async function watch(context, page, watched) {
  await context.exposeBinding('e2eViolation', (_, text) => watched.add('policy: ' + text));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) =>
      globalThis.e2eViolation(
        `${e.violatedDirective} ${e.blockedURI} ${e.sourceFile ?? ''}:${e.lineNumber} ${e.sample}`,
      ),
    );
  });
  context.on('request', (r) => {
    watched.requests++;
    const url = new URL(r.url());
    const inside = url.origin === watched.origin || ['data:', 'blob:'].includes(url.protocol);
    if (!inside) watched.add('request to another origin: ' + r.url());
  });
  context.on('response', (r) => {
    if (r.status() >= 500) watched.add(`answer ${r.status()} of ${r.url()}`);
  });
  page.on('console', (m) => {
    if (m.type() === 'error') watched.add(`console: ${m.text()} (${m.location().url})`);
  });
  page.on('pageerror', (e) => watched.add('exception: ' + (e.stack ?? e.message)));
}

/** Goes to a page and waits until it stands: its heading is there and nothing is being fetched first. */
export async function goto(page, appliance, path) {
  await page.goto(appliance.url + path);
  await settled(page);
}

/** Waits until a page of the console has its heading and its first answers. */
export async function settled(page) {
  await page.locator('main').waitFor();
  await page.waitForFunction(() => (document.querySelector('h1')?.textContent ?? '').trim() !== '');
  await page.waitForFunction(() => !document.querySelector('main [aria-busy="true"], main .sk'));
  // Answers that are under way: the stream of events and a followed log never end, so "network idle" is of no use.
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 150)))),
  );
}
