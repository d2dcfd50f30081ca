import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Keys } from './keys';

let singles = true;
let end: () => void;
let keys: Keys;
beforeEach(() => {
  singles = true;
  document.body.innerHTML = '<input id="text"><input id="box" type="checkbox"><button id="button"></button>';
  keys = new Keys(() => singles);
  end = keys.listen();
});
afterEach(() => {
  end();
  vi.useRealTimers();
});

function press(key: string, on: Element = document.body, init: KeyboardEventInit = {}): KeyboardEvent {
  const e = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...init });
  on.dispatchEvent(e);
  return e;
}
const at = (id: string) => document.getElementById(id)!;

test('what is open last is asked first, and what it leaves goes on', () => {
  const first = vi.fn(() => true);
  const last = vi.fn((key: string) => key === 'x');
  keys.on(first);
  const off = keys.on(last);
  expect(press('x').defaultPrevented).toBe(true);
  expect(first).not.toHaveBeenCalled();
  press('y');
  expect(first).toHaveBeenCalledWith('y', expect.anything());
  off();
  press('x');
  expect(first).toHaveBeenCalledTimes(2);
});

test('a key that nobody takes does what it does', () => {
  keys.on(() => false);
  expect(press('x').defaultPrevented).toBe(false);
});

test('fields keep their keys, boxes and buttons do not', () => {
  const handler = vi.fn(() => true);
  keys.on(handler);
  press('x', at('text'));
  expect(handler).not.toHaveBeenCalled();
  press('x', at('box'));
  press('x', at('button'));
  expect(handler).toHaveBeenCalledTimes(2);
});

test('Esc leaves a field unless it closes something', () => {
  at('text').focus();
  press('Escape', at('text'));
  expect(document.activeElement).toBe(document.body);
  at('text').focus();
  keys.on((key) => key === 'Escape');
  press('Escape', at('text'));
  expect(document.activeElement).toBe(at('text'));
});

test('Esc in a dialog is the dialog’s, not what is beneath it', () => {
  const beneath = vi.fn(() => true);
  keys.on(beneath);
  // The DOM of the tests has modal dialogs, but not their pseudo-class.
  vi.spyOn(document, 'querySelector').mockImplementation((s: string) => (s === 'dialog:modal' ? document.body : null));
  expect(press('Escape', at('text')).defaultPrevented).toBe(false);
  press('x');
  expect(beneath).not.toHaveBeenCalled();
});

test('keys with Ctrl, and within an input method, are the browser’s', () => {
  const handler = vi.fn(() => true);
  keys.on(handler);
  press('k', document.body, { ctrlKey: true });
  press('k', document.body, { metaKey: true });
  press('k', document.body, { altKey: true });
  press('k', document.body, { isComposing: true });
  expect(handler).not.toHaveBeenCalled();
});

test('single keys can be switched off; Esc stays', () => {
  const handler = vi.fn(() => true);
  keys.on(handler);
  singles = false;
  press('x');
  press('g');
  press('f');
  expect(handler).not.toHaveBeenCalled();
  press('Escape');
  expect(handler).toHaveBeenCalledWith('Escape', expect.anything());
});

test('two keys one after the other, if they come soon', () => {
  vi.useFakeTimers();
  const handler = vi.fn((key: string) => key === 'g f');
  keys.on(handler);
  press('g');
  press('f');
  expect(handler).toHaveBeenCalledWith('g f', expect.anything());
  handler.mockClear();
  press('g');
  vi.advanceTimersByTime(1000);
  press('f');
  expect(handler.mock.calls.map((c) => c[0])).toEqual(['f']);
});

test('a pair that nobody knows is the second key', () => {
  const handler = vi.fn((key: string) => key === 'x');
  keys.on(handler);
  press('g');
  press('x');
  expect(handler.mock.calls.map((c) => c[0])).toEqual(['g x', 'x']);
});

test('nothing is heard after the end', () => {
  const handler = vi.fn(() => true);
  keys.on(handler);
  end();
  press('x');
  expect(handler).not.toHaveBeenCalled();
});
