import { expect, it } from 'vitest';
import type { Alert, Decode, Job, Plugin, Queue } from '../../api/types';
import { lookOf, needs, type Facts } from './needs';

const nothing: Facts = {
  queues: [],
  dead: [],
  plugins: [],
  decodes: [],
  names: new Map(),
  alerts: [],
  health: [],
  after: 0,
};
const queue = (name: string, dead: number) => ({ name, counts: { dead } }) as unknown as Queue;
const job = (queue: string, at: string, message: string) =>
  ({ queue, finished_at: at, errors: [{ attempt: 1, at, code: 'x', message }] }) as unknown as Job;
const decode = (id: string, file: string, status: string, at: string, code = 'truncated_record') =>
  ({ id, file_id: file, status, finished_at: at, error: { code, message: 'cut', offset: 1 } }) as unknown as Decode;

it('finds nothing where all is well', () => {
  expect(needs(nothing)).toEqual([]);
  expect(
    needs({
      ...nothing,
      queues: [queue('a', 0)],
      health: [{ name: 'db', status: 'healthy', detail: '', since: null }],
    }),
  ).toEqual([]);
});

it('puts the oldest first', () => {
  const list = needs({
    ...nothing,
    queues: [queue('email', 2)],
    dead: [job('email', '2026-01-01T09:30:00Z', 'refused'), job('email', '2026-01-01T09:12:00Z', 'older')],
    decodes: [
      decode('d3', 'f1', 'partial', '2026-01-01T08:00:00Z'),
      decode('d1', 'f1', 'failed', '2026-01-01T07:00:00Z'),
    ],
    names: new Map([['f1', 'run.MMI']]),
    alerts: [
      { state: 'firing', silenced: false, level: 'critical', started_at: '2026-01-01T10:00:00Z' } as unknown as Alert,
    ],
    plugins: [
      {
        id: 'p',
        name: 'P',
        version: '1',
        state: 'active',
        others: [{ state: 'rejected', version: '2', reason: 'key' }],
      } as unknown as Plugin,
    ],
  });
  expect(list.map((n) => n.kind)).toEqual(['decode', 'dead', 'alert', 'plugin']);
  expect(list[0]).toMatchObject({ name: 'run.MMI', message: 'cut' });
  expect(list[1]).toMatchObject({ queue: 'email', n: 2, error: 'refused', since: '2026-01-01T09:12:00Z' });
  expect(list.map(lookOf)).toEqual(['partial', 'dead', 'error', 'partial']);
});

it('lets a newer decode of the same file stand for it, and forgets old ones', () => {
  const newer = decode('d2', 'f1', 'done', '2026-01-02T00:00:00Z');
  const older = decode('d1', 'f1', 'failed', '2026-01-01T00:00:00Z');
  expect(needs({ ...nothing, decodes: [newer, older] })).toEqual([]);
  const after = new Date('2026-01-03T00:00:00Z').getTime();
  expect(needs({ ...nothing, decodes: [older], after })).toEqual([]);
  expect(needs({ ...nothing, alerts: [{ state: 'firing', silenced: true } as unknown as Alert] })).toEqual([]);
});
