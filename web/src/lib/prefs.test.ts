import { afterEach, expect, test, vi } from 'vitest';
import { Prefs } from './prefs.svelte';

function storage(text?: string): Storage {
  const kept = new Map(text === undefined ? [] : [['wayside.prefs', text]]);
  return {
    getItem: (k: string) => kept.get(k) ?? null,
    setItem: (k: string, v: string) => kept.set(k, v),
  } as unknown as Storage;
}
const languages = (...l: string[]) => vi.spyOn(navigator, 'languages', 'get').mockReturnValue(l);

afterEach(() => {
  delete document.documentElement.dataset['theme'];
});

test('what was chosen is there at the next visit', () => {
  const s = storage();
  const p = new Prefs(s);
  p.setTheme('dark');
  p.setLanguage('de');
  p.setSingleKeys(false);
  const next = new Prefs(s);
  expect([next.theme, next.language, next.singleKeys]).toEqual(['dark', 'de', false]);
});

test('what is kept and no choice is left aside', () => {
  languages('en');
  for (const text of ['nonsense', 'null', '3', '{"theme":"pink","language":"xx","singleKeys":1}']) {
    const p = new Prefs(storage(text));
    expect([p.theme, p.language, p.singleKeys]).toEqual(['system', 'en', true]);
  }
});

test('a storage that is forbidden costs nothing', () => {
  const s = { getItem: () => null, setItem: () => { throw new Error('full'); } } as unknown as Storage; // prettier-ignore
  const p = new Prefs(s);
  p.setTheme('light');
  expect(p.theme).toBe('light');
});

test.each([
  [['de-AT', 'en'], 'de'],
  [['zh-HK'], 'zh-TW'],
  [['zh-Hant-TW'], 'zh-TW'],
  [['zh-CN', 'fr', 'en-GB'], 'en'],
  [['fr'], 'en'],
  [[], 'en'],
])('%j reads %s', (wanted, language) => {
  languages(...wanted);
  expect(new Prefs(storage()).language).toBe(language);
});

test('the theme stands at the document; between light and dark it begins with what is seen', () => {
  const dark = vi.spyOn(window, 'matchMedia').mockReturnValue({ matches: true } as MediaQueryList);
  const p = new Prefs(storage());
  p.toggleTheme();
  expect(document.documentElement.dataset['theme']).toBe('light');
  p.toggleTheme();
  expect(document.documentElement.dataset['theme']).toBe('dark');
  p.setTheme('system');
  expect(document.documentElement.dataset['theme']).toBeUndefined();
  expect(p.dark()).toBe(true);
  dark.mockReturnValue({ matches: false } as MediaQueryList);
  expect(p.dark()).toBe(false);
});
