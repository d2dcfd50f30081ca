import type { Language } from '../lib/prefs.svelte';
import type { Text } from './en';

const loaders: Record<Language, () => Promise<{ text: Text }>> = {
  en: () => import('./en'),
  de: () => import('./de'),
  'zh-TW': () => import('./zh-TW'),
};

/** The words of the console, of one language at a time; only that one is loaded. */
export class I18n {
  text: Text = $state.raw(undefined as unknown as Text); // load comes before the first component
  language: Language = $state('en');

  async load(language: Language): Promise<void> {
    this.text = (await loaders[language]()).text;
    this.language = language;
    document.documentElement.lang = language;
  }
}
