// Where things are: in the checkout, and what the environment says otherwise.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const binary = resolve(process.env['BIN'] ?? join(root, 'bin/wayside'));
export const chromium = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
export const samples = join(root, '../shared/samples');

/** The recording of the project: a made-up ride. */
export const example = () => readFileSync(join(root, 'examples/rail/example.RU'));

/** A decoder that the SDK's examples give: .ci/e2e-web builds it. */
export const guest = () => readFileSync(join(root, 'bin/examples/go/tracklog.wasm'));

/** A recording of that decoder. */
export const trackLog = () => readFileSync(join(root, 'sdk/examples/testdata/whole.bin'));

/** Real recordings, where the collection lies beside the checkout. */
export const haveSamples = () => existsSync(samples);

/** Folder of screenshots and figures, which is not committed. */
export function results(name) {
  const dir = join(root, 'web/test-results', name);
  mkdirSync(dir, { recursive: true });
  return dir;
}
