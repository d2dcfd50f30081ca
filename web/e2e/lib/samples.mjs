// Real recordings, which are not the project's: a few of each kind, from the collection beside the checkout.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { samples } from './paths.mjs';

const ofEach = 2;
const largest = 32 << 20;

/** The first recordings of every kind that there is. */
export function* firstSamples() {
  const seen = new Map();
  const files = readdirSync(samples, { recursive: true }).map(String).sort();
  for (const path of files.map((f) => join(samples, f))) {
    const kind = extname(path).toLowerCase();
    const entry = statSync(path);
    if (!['.mmi', '.ru', '.hex', '.tlg'].includes(kind) || !entry.isFile() || entry.size > largest) continue;
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    if (seen.get(kind) <= ofEach) yield { name: basename(path), bytes: readFileSync(path) };
  }
}
