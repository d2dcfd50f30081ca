// What an appliance holds that has been at work: something for every page to show.
import { example, guest, trackLog } from './paths.mjs';
import { broken } from './wasm.mjs';

/** Fills an appliance and says what is where. */
export async function seed(appliance) {
  const rides = [];
  for (const name of ['ride-1.RU', 'ride-2.RU']) {
    rides.push(await appliance.upload(name, vary(example(), rides.length)));
  }
  const cut = await appliance.upload('cut-short.RU', example().subarray(0, 5000));
  const unknown = await appliance.upload('unknown.bin', new Uint8Array(3000).fill(0x5a));
  const broke = await rejected(appliance);
  await appliance.api('POST', '/plugins?wait=30', guest());
  const track = await appliance.upload('track.log', trackLog());
  const jobs = await work(appliance);
  const batch = await appliance.api('POST', '/batches', { name: 'both rides', file_ids: rides.map((r) => r.file.id) });
  return { rides, cut, unknown, track, broke, batch, ...jobs };
}

/** The same ride with another content, so that it is another file: an appliance keeps one content once. */
function vary(bytes, n) {
  if (n === 0) return bytes;
  return Buffer.concat([bytes, Buffer.from([0])]);
}

/** Gives the appliance a plugin that it refuses. */
async function rejected(appliance) {
  try {
    return await appliance.api('POST', '/plugins?wait=30', broken(guest()));
  } catch (e) {
    return e;
  }
}

async function work(appliance) {
  const add = (job) => appliance.api('POST', '/jobs', job);
  const dead = [];
  for (let i = 0; i < 3; i++) {
    dead.push(
      await add({ type: 'mail', queue: 'mail', payload: { to: `depot-${i}`, subject: 'Ride' }, max_attempts: 1 }),
    );
  }
  const { jobs } = await appliance.api('POST', '/leases', { worker: 'mailer-1', types: ['mail'], max: 3 });
  await appliance.api('POST', '/leases', {
    worker: 'mailer-1',
    types: ['mail'],
    max: 1,
    fail: jobs.map((j) => ({
      lease: j.lease,
      id: j.id,
      error: { code: 'refused', message: 'connection refused by 192.0.2.7:25' },
    })),
  });
  const ready = await add({ type: 'thumbnail', payload: { file: 'f1' } });
  const later = await add({ type: 'report', queue: 'reports', delay: 3600, payload: { month: '2026-11' } });
  const flow = await appliance.api('POST', '/flows', {
    jobs: [
      { key: 'fetch', type: 'fetch' },
      { key: 'sum', type: 'sum', depends_on: ['fetch'] },
      { key: 'print', type: 'print', depends_on: ['sum', 'fetch'] },
    ],
  });
  await appliance.api('POST', '/schedules', {
    id: 'nightly',
    cron: '0 3 * * *',
    job: { type: 'report', queue: 'reports' },
  });
  return { dead, ready, later, flow };
}
