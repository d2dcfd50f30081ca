import { expect, it } from 'vitest';
import { matching, textOf, type Licenses } from './licenses';

const licenses: Licenses = {
  packages: [
    { kind: 'go', name: 'github.com/a/badger', version: 'v4.1.0', license: 'Apache-2.0', texts: [1, 0] },
    { kind: 'npm', name: 'svelte', version: '5.0.0', license: 'MIT', texts: [2] },
  ],
  texts: ['notice\n', 'apache\n', 'mit\n'],
};
const names = (text: string) => matching(licenses.packages, text).map((p) => p.name);

it('finds packages by name, version and licence', () => {
  expect(names('')).toEqual(['github.com/a/badger', 'svelte']);
  expect(names('BADGER')).toEqual(['github.com/a/badger']);
  expect(names(' mit  5.0')).toEqual(['svelte']);
  expect(names('mit badger')).toEqual([]);
});

it('gives all texts of a package, in their order', () => {
  expect(licenses.packages.map((p) => textOf(licenses, p))).toEqual(['apache\n\nnotice\n', 'mit\n']);
});
