import { expect, it } from 'vitest';
import { mostSaved, SavedFilters, searchOf } from './saved.svelte';

function storage(text?: string) {
  const kept = new Map(text === undefined ? [] : [['wayside.jobs.filters', text]]);
  return { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
}
const dead = { name: 'mail that died', search: '?state=dead&queue=mail' };

it('has what was saved at the next visit, and not what was removed', () => {
  const s = storage();
  const saved = new SavedFilters(s);
  expect(saved.save(dead)).toBe(true);
  expect(saved.save({ name: 'x', search: '?q=x' })).toBe(true);
  expect(new SavedFilters(s).list).toEqual([dead, { name: 'x', search: '?q=x' }]);
  saved.remove('x');
  expect(saved.list).toEqual([dead]);
  expect(new SavedFilters(s).list).toEqual([dead]);
});

it('replaces the one of the same name, also where there are as many as there may be', () => {
  const saved = new SavedFilters(storage());
  for (let i = 0; i < mostSaved; i++) expect(saved.save({ name: 'f' + i, search: '?q=' + i })).toBe(true);
  expect(saved.save({ name: 'one more', search: '?q=x' })).toBe(false);
  expect(saved.save({ name: 'f3', search: '?q=new' })).toBe(true);
  expect(saved.list).toHaveLength(20);
  expect(saved.list[3]).toEqual({ name: 'f3', search: '?q=new' });
});

it('does not lose what another tab has saved', () => {
  const s = storage();
  const [one, other] = [new SavedFilters(s), new SavedFilters(s)];
  one.save(dead);
  other.save({ name: 'x', search: '?q=x' });
  expect(new SavedFilters(s).list.map((f) => f.name)).toEqual([dead.name, 'x']);
});

it('takes from what is kept only what is a filter', () => {
  const odd = [dead, null, 3, { name: '' }, { name: 'a', search: 'https://x' }, { name: dead.name, search: '?q=2' }];
  expect(new SavedFilters(storage(JSON.stringify(odd))).list).toEqual([dead]);
  for (const text of ['nonsense', 'null', '{}']) expect(new SavedFilters(storage(text)).list).toEqual([]);
  const many = Array.from({ length: 30 }, (_, i) => ({ name: 'f' + i, search: '?q=' + i }));
  expect(new SavedFilters(storage(JSON.stringify(many))).list).toHaveLength(20);
});

it('lasts as long as the page where nothing may be kept', () => {
  const full = { getItem: () => null, setItem: () => { throw new Error('full'); } }; // prettier-ignore
  for (const s of [undefined, full]) {
    const saved = new SavedFilters(s);
    saved.save(dead);
    saved.save({ name: 'x', search: '?q=x' });
    expect(saved.list.map((f) => f.name)).toEqual([dead.name, 'x']);
  }
});

it('knows a filter by its address, whatever else that has', () => {
  const of = (search: string) => searchOf((name) => new URLSearchParams(search).get(name));
  expect(of('?job=j1&q=a+b&state=dead&sort=x')).toBe('?state=dead&q=a+b');
  expect(of('?state=dead&q=a%20b')).toBe('?state=dead&q=a+b');
  expect(of('?job=j1&q=')).toBe('');
});
