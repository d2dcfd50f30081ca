import { expect, it } from 'vitest';
import { hrefOf, lookOf, type Need } from './needs';

const need = (kind: Need['kind'], more: Partial<Need> = {}): Need => ({
  kind,
  level: 'warning',
  subject: 's',
  count: 1,
  code: null,
  file_id: null,
  since: null,
  text: '',
  ...more,
});

it('leads to where it is seen to', () => {
  expect(hrefOf(need('dead_jobs', { subject: 'e mail' }))).toBe('/jobs?state=dead&queue=e%20mail');
  expect(hrefOf(need('decode', { subject: 'd1', file_id: 'f1' }))).toBe('/files/f1');
  expect(hrefOf(need('plugin', { subject: 'a/b' }))).toBe('/plugins?plugin=a%2Fb');
  expect(hrefOf(need('health'))).toBe('/monitor');
});

it('looks as bad as it is', () => {
  expect(lookOf(need('dead_jobs'))).toBe('dead');
  expect(lookOf(need('decode', { level: 'critical' }))).toBe('failed');
  expect(lookOf(need('decode'))).toBe('partial');
  expect(lookOf(need('alert'))).toBe('warning');
  expect(lookOf(need('health', { level: 'critical' }))).toBe('error');
});
