import { expect, test } from 'vitest';
import { lineOf } from './lines';
import { matcher, parseQuery, splitQuery } from './query';

const line = lineOf({
  id: 'r-1',
  timestamp: '2026-01-02T03:04:05.678901Z',
  level: 'warning',
  logger: 'queue.local',
  message: 'job failed',
  request_id: '7f3a91c2',
  correlation_id: null,
  fields: { job: 'j42', error: 'dial tcp 10.4.0.9:587: connection refused', attempt: 2 },
});

test.each([
  ['', true],
  ['failed', true],
  ['FAILED refused', true],
  ['"connection refused"', true],
  ['"refused connection"', false],
  ['-failed', false],
  ['-done', true],
  ['level:warning', true],
  ['level:w', true],
  ['level:error', false],
  ['logger:queue', true],
  ['logger:queue.local', true],
  ['logger:que', false],
  ['-logger:queue', false],
  ['request_id:7f3a', true],
  ['request_id:a91c', false],
  ['job_id:j42', true],
  ['job:j4', true],
  ['attempt:2', true],
  ['attempt:3', false],
  ['-attempt:3', true],
  ['error:refused', true],
  ['message:refused', false],
  ['10.4.0.9:587', true],
  ['nothing:here', false],
])('%s', (text, want) => expect(matcher(parseQuery(text))(line)).toBe(want));

test('an address is no field', () => {
  expect(parseQuery('http://a').terms).toEqual([{ field: '', value: 'http://a', not: false }]);
});

test('a word that is no level is told', () => {
  expect(parseQuery('level:loud').wrong).toBe('loud');
  expect(splitQuery('level:loud x')).toEqual({ q: 'level:loud x', level: undefined, logger: undefined });
});

test('what has a control of its own is taken out', () => {
  expect(splitQuery('level:error disk logger:kv -x')).toEqual({ q: 'disk  -x'.trim(), level: 'error', logger: 'kv' });
});
