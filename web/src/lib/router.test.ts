import { afterEach, beforeEach, expect, it } from 'vitest';
import { matchRoute, Router, type Route } from './router.svelte';

const load = () => Promise.resolve({ default: null });
const routes: Route[] = [
  { pattern: '/', nav: 'home', load },
  { pattern: '/files/:id/mission', nav: 'mission', load },
  { pattern: '/files/:id/:table?', nav: 'file', load },
];

beforeEach(() => history.replaceState(null, '', '/'));
let end = () => {};
afterEach(() => end());

it('matches the first pattern', () => {
  expect(matchRoute(routes, '/')?.route.nav).toBe('home');
  expect(matchRoute(routes, '/files/f1/mission')?.route.nav).toBe('mission');
  expect(matchRoute(routes, '/files/f1/a%20b')?.params).toEqual({ id: 'f1', table: 'a b' });
  expect(matchRoute(routes, '/files/f1/')?.params).toEqual({ id: 'f1' });
  for (const path of ['/files', '/files/a/b/c', '/nowhere', '/files/%E0%A4%A'])
    expect(matchRoute(routes, path)).toBeNull();
});

it('keeps the state in the address', () => {
  const router = new Router(routes);
  router.go('/files/f1');
  const steps = history.length;
  router.set({ where: ['speed:gt:60', 'type:eq:1'], sort: '-time' });
  expect(location.search).toBe('?where=speed:gt:60&where=type:eq:1&sort=-time');
  expect(router.all('where')).toEqual(['speed:gt:60', 'type:eq:1']);
  expect(history.length).toBe(steps + 1);
  router.set({ row: 5 }, true);
  router.set({ where: null }, true);
  expect(router.search).toBe('?sort=-time&row=5');
  expect(history.length).toBe(steps + 1);
});

it('follows links to its own pages only', () => {
  const router = new Router(routes);
  end = router.listen();
  document.body.innerHTML = '<a id="in" href="/files/f1"><b>x</b></a><a id="out" href="/metrics">m</a>';
  const click = (at: string, init: MouseEventInit = {}) => {
    const e = new MouseEvent('click', { bubbles: true, cancelable: true, button: 0, ...init });
    document.querySelector(at)?.dispatchEvent(e);
    return e.defaultPrevented;
  };
  document.addEventListener('click', (e) => e.preventDefault(), { once: true });
  expect(click('#in b')).toBe(true);
  expect(router.path).toBe('/files/f1');
  router.go('/');
  document.addEventListener('click', (e) => e.preventDefault(), { once: true, capture: true });
  click('#out');
  expect(router.path).toBe('/');
  document.addEventListener('click', (e) => e.preventDefault(), { once: true, capture: true });
  click('#in', { ctrlKey: true });
  expect(router.path).toBe('/');
});
