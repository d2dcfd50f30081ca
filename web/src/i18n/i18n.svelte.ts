import type { Language } from '../lib/prefs.svelte';
import type { Text } from './en';

type Part = Promise<{ text: Partial<Text> }>;
const loaders: Record<Language, { words: () => Part; pages: () => Part }> = {
  en: { words: () => import('./en/words-en'), pages: () => import('./en/pages-en') },
  de: { words: () => import('./de/words-de'), pages: () => import('./de/pages-de') },
  'zh-TW': { words: () => import('./zh-TW/words-zh-TW'), pages: () => import('./zh-TW/pages-zh-TW') },
};

/** The words of the console, of one language at a time: those of the frame at once, those of pages with the first page. */
export class I18n {
  text: Text = $state.raw(undefined as unknown as Text); // load comes before the first component
  language: Language = $state('en');
  private whole = false;

  /** What is loaded of the language before is loaded of this one. */
  async load(language: Language): Promise<void> {
    const parts = await Promise.all([loaders[language].words(), this.whole ? loaders[language].pages() : { text: {} }]);
    this.text = { ...parts[0].text, ...parts[1].text } as Text; // pages wait for the rest
    this.language = language;
    document.documentElement.lang = language;
  }

  /** Fetches what pages() will need. */
  ahead(language: Language): Promise<unknown> {
    return loaders[language].pages();
  }

  /** Has the words of every page; the overview does without. */
  async pages(): Promise<void> {
    if (this.whole) return;
    const { text } = await loaders[this.language].pages();
    this.whole = true;
    this.text = { ...this.text, ...text };
  }
}
