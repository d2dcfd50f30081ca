import type { Text } from '../en';
import { text as pages } from './pages-de';
import { text as words } from './words-de';

export const text: Text = { ...words, ...pages };
