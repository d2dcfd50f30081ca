import { expect, test } from 'vitest';
import type { Plugin } from '../../api/types';
import { arranged, compareTables, matches, rowsOf } from './rows';
import { paramsOf } from './params';

const signature: Plugin['signature'] = { state: 'none', key_id: null };
const plugin = (id: string, over: Partial<Plugin> = {}): Plugin => ({
  capabilities: [],
  checks: [],
  description: '',
  file: id + '.wasm',
  formats: [{ id: 'atc', name: 'ATC log', extensions: ['.atc'], media_types: [], sequence: null }],
  id,
  licence: '',
  limits: {} as Plugin['limits'],
  name: id,
  others: [],
  params: {},
  params_schema: {},
  reason: null,
  sha256: id.repeat(20),
  signature,
  source: 'data',
  state: 'active',
  stats: {} as Plugin['stats'],
  tables: [],
  version: '1.0.0',
  ...over,
});
const rejected: Plugin['others'][number] = {
  checks: [],
  file: 'b-2.wasm',
  reason: 'it is not signed',
  sha256: 'f'.repeat(64),
  signature,
  source: 'data',
  state: 'rejected',
  version: '2.0.0',
};

test('other modules are rows of their own; what is rejected comes first', () => {
  const rows = arranged(rowsOf([plugin('a'), plugin('b', { others: [rejected] })]));
  expect(rows.map((r) => [r.key, r.state])).toEqual([
    ['b@ffffffffffff', 'rejected'],
    ['a', 'active'],
    ['b', 'active'],
  ]);
});

test('every word has to match: name, format, state or reason', () => {
  const [row] = rowsOf([plugin('acme')]);
  expect(matches(row!, 'ACME .atc', ['Active'])).toBe(true);
  expect(matches(row!, 'active', ['Active'])).toBe(true);
  expect(matches(row!, 'acme rail', ['Active'])).toBe(false);
});

test('tables are compared by name, and their columns too', () => {
  const table = (name: string, ...columns: string[]) => ({
    name,
    columns: columns.length,
    description: '',
    fields: columns.map((c) => {
      const [name = '', type = 'i64', unit = ''] = c.split(' ');
      return { name, type, unit };
    }),
  });
  const now = [table('a', 'same', 'new', 'v f64 m/s', 'n u8'), table('b', 'same'), table('new', 'x')];
  const running = [table('a', 'same', 'old', 'v f64 km/h', 'n'), table('b', 'same'), table('old', 'x')];
  expect(compareTables(now, running)).toEqual([
    {
      name: 'a',
      columns: 4,
      was: 4,
      description: '',
      changes: [
        { name: 'new', kind: 'added', was: '', now: 'i64' },
        { name: 'v', kind: 'unit', was: 'km/h', now: 'm/s' },
        { name: 'n', kind: 'type', was: 'i64', now: 'u8' },
        { name: 'old', kind: 'removed', was: 'i64', now: '' },
      ],
    },
    { name: 'b', columns: 1, was: 1, description: '', changes: [] },
    { name: 'new', columns: 1, was: null, description: '', changes: [] },
    { name: 'old', columns: null, was: 1, description: '', changes: [] },
  ]);
});

test('parameters of a JSON Schema', () => {
  const schema = {
    required: ['zone'],
    properties: {
      zone: { type: 'string', description: 'where', examples: ['Europe/Berlin'] },
      depth: { type: ['integer', 'null'], default: 0, minimum: 0, maximum: 9 },
      kinds: { type: 'array', items: { type: 'string' }, enum: [['a']] },
      odd: true,
    },
  };
  expect(paramsOf(schema)).toEqual([
    {
      name: 'zone',
      type: 'string',
      description: 'where',
      standard: undefined,
      allowed: '"Europe/Berlin"',
      required: true,
    },
    { name: 'depth', type: 'integer | null', description: '', standard: '0', allowed: '0…9', required: false },
    { name: 'kinds', type: 'string[]', description: '', standard: undefined, allowed: '["a"]', required: false },
    { name: 'odd', type: 'any', description: '', standard: undefined, allowed: '', required: false },
  ]);
  expect(paramsOf({})).toEqual([]);
});
