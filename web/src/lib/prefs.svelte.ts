export type Theme = 'system' | 'light' | 'dark';
export const languages = ['en', 'de', 'zh-TW'] as const;
export type Language = (typeof languages)[number];

const key = 'wayside.prefs'; // public/assets/theme.js reads it too

/** What a reader has chosen for this browser. */
export class Prefs {
  theme: Theme = $state('system');
  language: Language = $state('en');
  /** Keys without Ctrl or Alt do something (WCAG 2.1.4). */
  singleKeys = $state(true);

  constructor(private storage: Storage | undefined = safeStorage()) {
    const kept = this.kept();
    if (kept.theme === 'light' || kept.theme === 'dark') this.theme = kept.theme;
    this.language = languages.find((l) => l === kept.language) ?? browserLanguage();
    this.singleKeys = kept.singleKeys !== false;
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.apply();
    this.keep();
  }

  /** Between light and dark, beginning with what is seen. */
  toggleTheme(): void {
    this.setTheme(this.dark() ? 'light' : 'dark');
  }

  setLanguage(language: Language): void {
    this.language = language;
    this.keep();
  }

  setSingleKeys(on: boolean): void {
    this.singleKeys = on;
    this.keep();
  }

  dark(): boolean {
    return this.theme === 'dark' || (this.theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  }

  private apply(): void {
    if (this.theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.theme;
  }

  private kept(): { theme?: unknown; language?: unknown; singleKeys?: unknown } {
    try {
      return JSON.parse(this.storage?.getItem(key) ?? '{}') ?? {};
    } catch {
      return {};
    }
  }

  private keep(): void {
    try {
      this.storage?.setItem(
        key,
        JSON.stringify({ theme: this.theme, language: this.language, singleKeys: this.singleKeys }),
      );
    } catch {
      // a full or forbidden storage costs the choice at the next visit, not this one
    }
  }
}

export function safeStorage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

function browserLanguage(): Language {
  for (const l of navigator.languages ?? []) {
    const lower = l.toLowerCase();
    if (lower.startsWith('de')) return 'de';
    if (/^zh-(tw|hk|mo|hant)/.test(lower)) return 'zh-TW';
    if (lower.startsWith('en')) return 'en';
  }
  return 'en';
}
