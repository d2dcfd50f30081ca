import { expect, test } from 'vitest';
import { outcomeOf, stoppedAt, type Check } from './checks';

const check = (name: Check['name'], state: Check['state']): Check => ({ name, state, reason: null });

test('it stopped where a check failed', () => {
  expect(stoppedAt([check('module', 'passed'), check('signature', 'failed'), check('rules', 'not_reached')])).toBe(
    'signature',
  );
  expect(stoppedAt([])).toBe('compile');
});

test('a module that is compiled is within limits and compile', () => {
  const names = ['signature', 'rules', 'compile', 'golden'] as const;
  expect(names.map((name) => outcomeOf(check(name, 'not_reached'), 'compiling'))).toEqual([
    'not_reached',
    'running',
    'running',
    'not_reached',
  ]);
  expect(outcomeOf(check('rules', 'not_reached'), 'rejected')).toBe('not_reached');
  expect(outcomeOf(check('rules', 'passed'), 'compiling')).toBe('passed');
});
