import { mount } from 'svelte';
import './styles/tokens.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/controls.css';
import './styles/table.css';
import './styles/pages.css';
import Root from './Root.svelte';
import { I18n } from './i18n/i18n.svelte';
import { App } from './lib/app.svelte';
import { routes } from './routes';

const i18n = new I18n();
const app = new App(routes, i18n);
// What the first page needs is asked for side by side; who needs it asks again, and says what failed.
const first = app.router.match?.route;
const ahead: Promise<unknown>[] = [app.session.load()];
if (first) ahead.push(first.load());
if (first && first.nav !== 'overview') ahead.push(i18n.ahead(app.prefs.language));
void Promise.allSettled(ahead);
await i18n.load(app.prefs.language);
const target = document.getElementById('app');
if (target) mount(Root, { target, props: { app } });
