// What most test files begin with: one appliance and one browser for all their tests.
import { after, before } from 'node:test';
import { Appliance } from './appliance.mjs';
import { openBrowser, openPage } from './browser.mjs';

/** Sets both up before the tests of a file and ends them after; `fill` brings in what the tests want to see. */
export function suite({ fill = async () => ({}), ...options } = {}) {
  const s = { appliance: undefined, browser: undefined, seeded: undefined };
  const ends = [];
  const end = (f) => ends.push(f);
  before(async () => {
    s.appliance = await Appliance.start({ after: end }, options);
    s.seeded = await fill(s.appliance);
    s.browser = await openBrowser(end);
  });
  after(async () => {
    for (const f of ends.reverse()) await f();
  });
  /** Opens a page; see openPage. */
  s.open = (t, more) => openPage(t, s.browser, s.appliance, more);
  return s;
}
