import { expect, it } from 'vitest';
import { actionsFor, matchesEvent, parseJobFilter, shownJson, statuses } from './filter';

it.each([
  ['', {}],
  ['queue:email type:mail', { queue: 'email', type: 'mail' }],
  ['error:refused', { q: 'refused' }],
  ['error:"connection refused" queue:email', { q: 'connection refused', queue: 'email' }],
  ['id:j1,j2 job:j3', { ids: ['j1', 'j2', 'j3'] }],
  ['order 4711', { q: 'order 4711' }],
  ['http://host:80', { q: 'http://host:80' }],
  ['queue: x', { q: 'queue: x' }],
])('%s', (text, want) => expect(parseJobFilter(text)).toEqual(want));

it('offers only what a state allows', () => {
  expect(actionsFor('active')).toEqual(['cancel']);
  expect(actionsFor('dead')).toContain('retry');
  for (const s of statuses) if (s !== 'dead' && s !== 'cancelled') expect(actionsFor(s)).not.toContain('retry');
});

it('cuts what is too large to show', () => {
  expect(shownJson('{"a":1}')).toEqual({ text: '{\n  "a": 1\n}', cut: 0 });
  expect(shownJson(JSON.stringify('x'.repeat(100)), 10)).toEqual({ text: '"xxxxxxxxx', cut: 92 });
});

it('counts only events of jobs that the list would show', () => {
  const job = { id: 'j1', status: 'dead', queue: 'email', type: 'mail', flow_id: 'f1', schedule_id: null } as const;
  expect(matchesEvent(job, undefined, {})).toBe(true);
  expect(matchesEvent(job, 'dead', { queue: 'email', type: 'mail', flow: 'f1', ids: ['j1'] })).toBe(true);
  expect(matchesEvent(job, 'ready', {})).toBe(false);
  for (const f of [{ queue: 'x' }, { type: 'x' }, { flow: 'x' }, { schedule: 'x' }, { ids: ['j2'] }])
    expect(matchesEvent(job, 'dead', f)).toBe(false);
});
