// Figures of the console, in a real browser against the built binary: `node measure.mjs [bytes] [lighthouse] [scroll] [zoom]
// [upload]`; all of them without arguments. RUNS=5 repeats more often than three times; medians are reported. A machine that
// does other things at the same time gives worse figures: say what it did beside them.
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import lighthouse, { desktopConfig } from 'lighthouse';
import { Appliance } from './lib/appliance.mjs';
import { flags, openBrowser, openPage } from './lib/browser.mjs';
import { results } from './lib/paths.mjs';
import { seed } from './lib/seed.mjs';
import { trackLog } from './lib/tracklog.mjs';

const runs = Number(process.env['RUNS'] ?? 3);
const rows = Number(process.env['ROWS'] ?? 3_000_000);
const uploadBytes = Number(process.env['UPLOAD_GB'] ?? 5) * 1e9;
const slower = 4; // times, as of a phone
const debugPort = 9377;

const say = (line) => process.stdout.write(line + '\n');
const figures = {};
function report(name, value, unit) {
  figures[name] = { value, unit };
  say(`${name.padEnd(58)} ${String(value).padStart(10)} ${unit}`);
}
const sorted = (list) => [...list].sort((a, b) => a - b);
const at = (list, share) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * share))];
const median = (list) => at(list, 0.5);
const round = (n, digits = 1) => Number(n.toFixed(digits));

/** What the browser fetches for the first view of a page, over the wire. */
async function bytes({ t, appliance, browser }) {
  for (const [name, path] of [
    ['first view of Overview', '/'],
    ['first view of Files', '/files'],
    ['first view of a file', `/files/${appliance.seeded.rides[0].file.id}`],
  ]) {
    const { page, context, goto } = await openPage(t, browser, appliance);
    const cdp = await context.newCDPSession(page);
    await cdp.send('Network.enable');
    const answers = new Map();
    const sums = { Script: [0, 0, 0], Stylesheet: [0, 0, 0], Document: [0, 0, 0] }; // files, bytes, bytes with heads
    cdp.on('Network.responseReceived', (e) => answers.set(e.requestId, e));
    cdp.on('Network.loadingFinished', (e) => {
      const { type, response } = answers.get(e.requestId) ?? {};
      if (!(type in sums)) return;
      const sum = sums[type];
      sum[0]++;
      sum[1] += Number(response.headers['Content-Length'] ?? 0);
      sum[2] += e.encodedDataLength;
    });
    await goto(path);
    const [files, body, whole] = sums.Script;
    report(`${name}: JavaScript, ${files} files`, round(body / 1000), 'kB');
    report(`  with the heads of the answers`, round(whole / 1000), 'kB');
    report(`  page and styles`, round((sums.Stylesheet[1] + sums.Document[1]) / 1000), 'kB');
    await context.close();
  }
}

async function lighthouses({ appliance }) {
  const file = appliance.seeded.rides[0].file.id;
  for (const [form, config] of [
    ['desktop', desktopConfig],
    ['phone, slow network', undefined],
  ]) {
    for (const [name, path] of [
      ['Overview', '/'],
      ['Files', '/files'],
      ['File', `/files/${file}`],
      ['Mission', `/files/${file}/mission`],
    ]) {
      const scores = { performance: [], accessibility: [] };
      for (let i = 0; i < runs; i++) {
        const options = {
          port: debugPort,
          output: 'json',
          onlyCategories: Object.keys(scores),
          logLevel: 'silent',
          maxWaitForLoad: 20_000,
        };
        const { lhr } = await lighthouse(appliance.url + path, options, config);
        for (const key of Object.keys(scores)) {
          const { score } = lhr.categories[key];
          if (score !== null) scores[key].push(100 * score); // none where nothing was painted in time
        }
      }
      for (const [key, list] of Object.entries(scores))
        report(`Lighthouse ${key}, ${name}, ${form}`, round(median(list), 0), 'of 100');
    }
  }
}

/** Time between frames while a table is scrolled, on a processor slowed down. */
async function scroll({ t, appliance, browser }) {
  const { page, context, goto } = await openPage(t, browser, appliance);
  const large = await largeDecode(appliance);
  await goto(`/files/${large.file_id}/records?bytes=0`);
  await page.locator('.dg-r:not(.wait)').first().waitFor();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
  for (const [name, how] of [
    ['by wheel, 3 rows a frame', 'wheel'],
    ['by the scroll bar, through the whole table', 'bar'],
  ]) {
    const all = [];
    for (let i = 0; i < runs; i++) all.push(...(await page.evaluate(scrollFor, { how, ms: 5000 })));
    report(
      `frame of a ${rows.toLocaleString('en')} row table at ${slower}x, ${name}: median`,
      round(median(all)),
      'ms',
    );
    report(`  of 100 frames 95 take at most`, round(at(all, 0.95)), 'ms');
    report(`  longest`, round(Math.max(...all)), 'ms');
  }
  await context.close();
}

/** Runs in the page: scrolls in each frame and gives the times between frames. */
function scrollFor({ how, ms }) {
  const box = document.querySelector('[role="grid"]');
  return new Promise((resolve) => {
    const times = [];
    const began = performance.now();
    let last = began;
    const frame = (now) => {
      times.push(now - last);
      last = now;
      if (now - began > ms) return resolve(times.slice(1));
      if (how === 'wheel') box.dispatchEvent(new WheelEvent('wheel', { deltaY: 72, bubbles: true, cancelable: true }));
      else box.scrollTop = ((now - began) / ms) * (box.scrollHeight - box.clientHeight);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

/** How long a zoom takes until its points are there: of the API alone, and in the page. */
async function zoom({ t, appliance, browser }) {
  const large = await largeDecode(appliance);
  const table = `/decodes/${large.id}/tables/records`;
  const first = (await appliance.api('GET', `${table}/rows?limit=1&columns=time`)).rows[0];
  const start = Date.parse(Array.isArray(first) ? first[0] : first.time);
  const whole = rows * 100; // ms
  const times = [];
  for (let i = 0; i < 10 * runs; i++) {
    const width = whole / 2 ** (i % 10);
    const from = start + ((whole - width) * ((i * 7) % 10)) / 10;
    const query = `x=time&y=speed&points=1200&from=${new Date(from).toISOString()}&to=${new Date(from + width).toISOString()}`;
    const began = performance.now();
    await appliance.api('GET', `${table}/series?${query}`);
    times.push(performance.now() - began);
  }
  report(`series of ${rows.toLocaleString('en')} rows, a window of it: median`, round(median(times)), 'ms');
  report(`  longest`, round(Math.max(...times)), 'ms');
  const { page, context, goto } = await openPage(t, browser, appliance);
  await goto(`/charts?d=${large.id}.records&y=speed`);
  const chart = page.getByRole('slider').first();
  await chart.waitFor();
  await chart.focus();
  const seen = [];
  for (let i = 0; i < 4 * runs; i++) {
    const answer = page.waitForResponse((r) => r.url().includes('/series'), { timeout: 10_000 });
    const began = performance.now();
    await page.keyboard.press(i % 8 < 6 ? '+' : '0');
    await answer.then((r) => r.finished()).catch(() => undefined); // all is drawn from what is there already
    seen.push(performance.now() - began);
  }
  report(`zoom of the chart until its points are there: median`, round(median(seen)), 'ms');
  await context.close();
}

/** Memory of the page while a large file goes up. */
async function upload({ t, appliance, browser }) {
  const dir = mkdtempSync(join(tmpdir(), 'wayside-measure-'));
  const path = join(dir, 'large.bin');
  const file = openSync(path, 'w');
  ftruncateSync(file, uploadBytes); // sparse
  closeSync(file);
  const { page, context, goto } = await openPage(t, browser, appliance);
  try {
    await goto('/files');
    const cdp = await browser.newBrowserCDPSession();
    const before = await memory(page, cdp);
    await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(path);
    const began = performance.now();
    const most = { heap: 0, renderer: 0, browser: 0 };
    const done = page.locator('main').getByRole('link', { name: 'large.bin' });
    while (!(await done.isVisible())) {
      const now = await memory(page, cdp);
      for (const key of Object.keys(most)) most[key] = Math.max(most[key], now[key]);
      await page.waitForTimeout(250);
      if (performance.now() - began > 600_000) throw new Error('the upload does not end');
    }
    const what = `upload of ${round(uploadBytes / 1e9)} GB`;
    report(`${what}: took`, round((performance.now() - began) / 1000), 's');
    report(`  heap of the page before, at most`, `${round(before.heap)}, ${round(most.heap)}`, 'MB');
    report(`  its process before, at most`, `${round(before.renderer)}, ${round(most.renderer)}`, 'MB');
    report(`  the browser's process before, at most`, `${round(before.browser)}, ${round(most.browser)}`, 'MB');
  } finally {
    await context.close();
    rmSync(dir, { recursive: true });
  }
}

/** Of the page's heap, of the largest process of pages, and of the browser's own, in MB. */
async function memory(page, cdp) {
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize / 1e6);
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
  const of = (type) => Math.max(...processInfo.filter((p) => p.type === type).map((p) => resident(p.id)), 0);
  return { heap, renderer: of('renderer'), browser: of('browser') };
}

function resident(pid) {
  try {
    return (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024) / 1e6;
  } catch {
    return 0; // it ended
  }
}

let made;
/** The decode of a recording with so many rows, made once. */
async function largeDecode(appliance) {
  if (!made) {
    const began = performance.now();
    const { decode } = await appliance.upload('large.log', trackLog(rows));
    if (decode?.status !== 'done') throw new Error('the large recording is not decoded: ' + JSON.stringify(decode));
    say(`(${rows.toLocaleString('en')} rows were made and decoded in ${round((performance.now() - began) / 1000)} s)`);
    made = decode;
  }
  return made;
}

const parts = { bytes, lighthouse: lighthouses, scroll, zoom, upload };
const wanted = process.argv.slice(2);
for (const name of wanted)
  if (!(name in parts)) throw new Error(`there is no part ${name}: ${Object.keys(parts).join(', ')}`);
const ends = [];
const t = { after: (end) => ends.push(end) };
try {
  const appliance = await Appliance.start(t);
  appliance.seeded = await seed(appliance);
  const browser = await openBrowser(t.after, [`--remote-debugging-port=${debugPort}`, '--enable-precise-memory-info']);
  say(
    `${cpus().length} processors, load ${loadavg()[0].toFixed(1)}, Chromium ${browser.version()}, ${flags.join(' ')}`,
  );
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length === 0 || wanted.includes(name)) await part({ t, appliance, browser });
  }
  writeFileSync(join(results('measure'), 'figures.json'), JSON.stringify(figures, null, 2) + '\n');
} finally {
  for (const end of ends.reverse()) await end();
}
