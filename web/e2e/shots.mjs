// The pictures of the documentation, of the project's own made-up recording: `node shots.mjs` writes docs/images.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Appliance } from './lib/appliance.mjs';
import { openBrowser, openPage } from './lib/browser.mjs';
import { root } from './lib/paths.mjs';
import { squeeze } from './lib/png.mjs';
import { seed } from './lib/seed.mjs';

const largest = 150_000; // bytes of a picture
const dir = join(root, 'docs/images');
const ends = [];
const t = { after: (end) => ends.push(end) };
try {
  const appliance = await Appliance.start(t);
  const { rides, dead } = await seed(appliance);
  const browser = await openBrowser(t.after);
  mkdirSync(dir, { recursive: true });
  const view = { width: 1440, height: 900 };
  for (const [name, path, theme] of [
    ['overview', '/', 'light'],
    ['file', `/files/${rides[0].file.id}/records?row=35`, 'light'],
    ['mission', `/files/${rides[0].file.id}/mission`, 'light'],
    ['mission-dark', `/files/${rides[0].file.id}/mission?x=time`, 'dark'],
    ['job', `/jobs?state=dead&job=${dead[1].id}`, 'light'],
  ]) {
    const { page, goto, context } = await openPage(t, browser, appliance, { view, theme });
    await goto(path);
    await page.waitForTimeout(500); // lines that are drawn after the first answers
    const png = squeeze(await page.screenshot());
    if (png.length > largest) throw new Error(`${name} has ${png.length} bytes`);
    writeFileSync(join(dir, `console-${name}.png`), png);
    process.stdout.write(`docs/images/console-${name}.png ${png.length}\n`);
    await context.close();
  }
} finally {
  for (const end of ends.reverse()) await end();
}
