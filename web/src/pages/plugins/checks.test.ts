import { expect, test } from 'vitest';
import { checksOf, stoppedAt } from './checks';

test.each([
  ['not a WebAssembly module of version 1', 'module'],
  ['read module: section 3: malformed', 'module'],
  ['read manifest: manifest: id "X" is not of the form [a-z][a-z0-9-]{1,62}', 'manifest'],
  ['manifest: params: no schema', 'manifest'],
  ['its signature does not fit: the module was changed after it was signed', 'signature'],
  ['it is not signed, and plugins.policy is require', 'signature'],
  [
    'rail is built in: only a module signed by a key of plugins.keys replaces it, or any with plugins.override',
    'signature',
  ],
  ['check: the module has no memory of its own', 'rules'],
  ['check: the module has 70000 functions, the limit is 65536', 'rules'],
  ['golden vector "a": its document has the hash 1, the manifest says 2', 'golden'],
  ['compiling needs more than 768 MiB', 'compile'],
  ['initialise: unreachable', 'compile'],
])('%s stopped at %s', (reason, step) => expect(stoppedAt(reason)).toBe(step));

test('what lies before passed, what lies behind was not reached', () => {
  expect(checksOf('rejected', 'check: no memory').map((c) => c.outcome)).toEqual([
    'passed',
    'passed',
    'passed',
    'stopped',
    'waiting',
    'waiting',
  ]);
});

test('a module that is compiled is within limits and compile', () => {
  const running = checksOf('compiling', null).filter((c) => c.outcome === 'running');
  expect(running.map((c) => c.step)).toEqual(['rules', 'compile']);
  expect(checksOf('active', null).every((c) => c.outcome === 'passed')).toBe(true);
});
