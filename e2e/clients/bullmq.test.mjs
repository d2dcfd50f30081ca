// BullMQ against the Redis-protocol server, over both of the drivers it knows.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe } from 'node:test'
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { scenario, server, until, within } from './kv.mjs'

const s = server({ always: true })

const drivers = {
  ioredis: (db) => new Redis({ host: s.host, port: s.port, db, maxRetriesPerRequest: null, retryStrategy: () => 50 }),
  'node-redis': (db) => createClient({ database: db, socket: { host: s.host, port: s.port, reconnectStrategy: () => 50 } }),
}

for (const [i, [driver, connect]] of Object.entries(drivers).entries()) {
  describe(`BullMQ over ${driver}`, () => {
    const db = 1 + i

    // rig makes what belongs to one queue and closes it after the scenario, with its connections.
    function rig(t, name) {
      const open = []
      const connection = () => {
        const c = connect(db)
        c.on('error', () => {}) // a server that is being killed
        open.push(() => (c.destroy ? c.isOpen && c.destroy() : c.disconnect()))
        return c
      }
      const make = (Kind, ...args) => {
        const options = args.length > 0 && typeof args.at(-1) === 'object' ? args.pop() : {}
        const made = new Kind(...args, { connection: connection(), ...options })
        made.on('error', () => {})
        open.unshift(() => made.close(true))
        return made
      }
      t.after(async () => {
        for (const close of open) await close()
      })
      const worker = (run, options = {}) => make(Worker, name, run, options)
      return { make, worker, queue: make(Queue, name), events: () => make(QueueEvents, name, { lastEventId: '0' }) }
    }

    scenario('a job is produced, consumed, and its result is waited for', async (t) => {
      const { queue, worker, events } = rig(t, 'plain')
      const done = events()
      await done.waitUntilReady()
      const seen = []
      for (const name of ['waiting', 'active', 'progress', 'completed']) done.on(name, ({ jobId }) => seen.push(`${name} ${jobId}`))
      worker(async (job) => {
        await job.updateProgress(50)
        await job.log('half')
        return { sum: job.data.numbers.reduce((a, b) => a + b), text: job.data.text }
      })
      const job = await queue.add('add', { numbers: [1, 2, 3.5], text: 'grüße 🚃' })
      assert.deepEqual(await within('the result', job.waitUntilFinished(done)), { sum: 6.5, text: 'grüße 🚃' })
      await until('all events', () => seen.length === 4)
      assert.deepEqual(seen, ['waiting', 'active', 'progress', 'completed'].map((name) => `${name} ${job.id}`))
      assert.deepEqual((await queue.getJobLogs(job.id)).logs, ['half'])
      const bulk = await queue.addBulk(Array.from({ length: 300 }, (_, n) => ({ name: 'add', data: { numbers: [n], text: '' } })))
      assert.equal(new Set(bulk.map((j) => j.id)).size, 300)
      await until('300 jobs', async () => (await queue.getCompletedCount()) === 301)
      assert.deepEqual(await queue.getJobCounts('waiting', 'active', 'failed', 'completed'), { waiting: 0, active: 0, failed: 0, completed: 301 })
      const sums = (await queue.getCompleted(0, -1)).map((j) => j.returnvalue.sum).sort((a, b) => a - b)
      assert.deepEqual(sums.slice(-2), [298, 299])
    })

    scenario('a job that fails is tried again with a growing delay, then it is failed, and can be retried', async (t) => {
      const { queue, worker } = rig(t, 'retries')
      const times = []
      let broken = true
      worker(async (job) => {
        if (job.name === 'hopeless') throw new UnrecoverableError('no use')
        times.push(Date.now())
        if (broken) throw new Error(`try ${job.attemptsMade}`)
        return 'in the end'
      })
      const job = await queue.add('flaky', {}, { attempts: 3, backoff: { type: 'exponential', delay: 200 } })
      const hopeless = await queue.add('hopeless', {}, { attempts: 3 })
      await until('three tries', () => job.isFailed())
      assert.equal(times.length, 3)
      assert.ok(times[1] - times[0] >= 190 && times[2] - times[1] >= 390, `delays ${times[1] - times[0]}, ${times[2] - times[1]}`)
      const failed = await queue.getJob(job.id)
      assert.deepEqual([failed.failedReason, failed.attemptsMade, failed.stacktrace.length], ['try 2', 3, 3])
      await until('the hopeless one fails', () => hopeless.isFailed())
      assert.equal((await queue.getJob(hopeless.id)).attemptsMade, 1)
      broken = false
      await failed.retry()
      await until('it is done', () => job.isCompleted())
      assert.equal((await queue.getJob(job.id)).returnvalue, 'in the end')
      assert.deepEqual((await queue.getFailed()).map((j) => j.id), [hopeless.id])
    })

    scenario('a delayed job comes not before its time, and can be promoted', async (t) => {
      const { queue, worker } = rig(t, 'delayed')
      const began = Date.now()
      const took = {}
      worker(async (job) => {
        took[job.name] = Date.now() - began
      })
      await queue.add('soon', {}, { delay: 500 })
      const late = await queue.add('late', {}, { delay: 3_600_000 })
      assert.equal(await queue.getDelayedCount(), 2)
      await until('the first', () => took.soon)
      assert.ok(took.soon >= 490, `after ${took.soon} ms`)
      assert.equal(await late.getState(), 'delayed')
      await late.promote()
      await until('the promoted one', () => took.late)
    })

    scenario('a job scheduler makes jobs again and again, until it is removed', async (t) => {
      const { queue, worker } = rig(t, 'scheduler')
      const times = []
      worker(async (job) => times.push([job.data.n, job.timestamp]))
      await queue.upsertJobScheduler('every', { every: 300 }, { name: 'tick', data: { n: 1 } })
      await until('three runs', () => times.length >= 3)
      await queue.upsertJobScheduler('every', { every: 300 }, { name: 'tick', data: { n: 2 } })
      await until('the changed one runs', () => times.some(([n]) => n === 2))
      await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *', tz: 'Europe/Berlin' }, { name: 'night' })
      const schedulers = await queue.getJobSchedulers()
      assert.deepEqual(schedulers.map((j) => j.key).sort(), ['every', 'nightly'])
      assert.ok(schedulers.find((j) => j.key === 'nightly').next > Date.now())
      assert.equal(await queue.removeJobScheduler('every'), true)
      await until('none is active', async () => (await queue.getActiveCount()) === 0)
      assert.deepEqual((await queue.getDelayed()).map((j) => j.name), ['night'])
    })

    scenario('priorities: the most urgent first, the order of arrival among equals', async (t) => {
      const { queue, worker } = rig(t, 'priorities')
      const order = []
      for (const [name, priority] of [['low', 10], ['mid1', 5], ['none', 0], ['mid2', 5], ['high', 1]]) await queue.add(name, {}, { priority })
      await (await queue.add('raised', {}, { priority: 20 })).changePriority({ priority: 2 })
      assert.deepEqual(await queue.getCountsPerPriority([0, 1, 2, 5, 10]), { 0: 1, 1: 1, 2: 1, 5: 2, 10: 1 })
      worker(async (job) => order.push(job.name))
      await until('all', () => order.length === 6)
      assert.deepEqual(order, ['none', 'high', 'raised', 'mid1', 'mid2', 'low'])
    })

    scenario('a flow: the parent after its children, with their results; a failed child fails it', async (t) => {
      const { queue, worker, make } = rig(t, 'flow')
      const flows = make(FlowProducer)
      worker(
        async (job) => {
          if (job.name === 'bad') throw new Error('bad child')
          if (job.name === 'child') return job.data.n * 10
          return Object.values(await job.getChildrenValues()).sort((a, b) => a - b)
        },
        { concurrency: 4 },
      )
      const child = (n) => ({ name: 'child', queueName: 'flow', data: { n } })
      const top = { name: 'top', queueName: 'flow' }
      const flow = await flows.add({ ...top, children: [child(1), { ...child(2), children: [child(3), child(4)] }, child(5)] })
      await until('the parent', () => flow.job.isCompleted())
      assert.deepEqual((await queue.getJob(flow.job.id)).returnvalue, [10, 20, 50])
      const tree = await flows.getFlow({ id: flow.job.id, queueName: 'flow' })
      assert.deepEqual(tree.children.map((c) => c.job.data.n).sort(), [1, 2, 5])
      const bad = await flows.add({ ...top, children: [{ name: 'bad', queueName: 'flow', opts: { failParentOnFailure: true } }] })
      await until('the parent fails', () => bad.job.isFailed())
      assert.match((await queue.getJob(bad.job.id)).failedReason, /child .* failed/)
    })

    scenario('a rate limit is kept', async (t) => {
      const { queue, worker } = rig(t, 'limited')
      const times = []
      await queue.addBulk(Array.from({ length: 6 }, () => ({ name: 'x', data: {} })))
      worker(async () => times.push(Date.now()), { limiter: { max: 2, duration: 500 }, concurrency: 6 })
      await until('all six', () => times.length === 6)
      for (let i = 2; i < 6; i++) assert.ok(times[i] - times[i - 2] >= 400, `two windows in ${times[i] - times[i - 2]} ms`)
    })

    scenario('the job of a worker that is killed is given to another', async (t) => {
      const { queue, worker, events } = rig(t, 'stalled')
      const seen = events()
      await seen.waitUntilReady()
      const stalled = once(seen, 'stalled')
      const job = await queue.add('long', {})
      const child = spawn(process.execPath, ['bullmq-worker.mjs', s.port, db, 'stalled'], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] })
      t.after(() => child.kill('SIGKILL'))
      const [took] = await within('the worker takes the job', once(child.stdout, 'data'))
      assert.equal(String(took), `took ${job.id}\n`)
      assert.equal(await job.getState(), 'active')
      child.kill('SIGKILL')
      worker(async () => 'by another', { lockDuration: 1000, stalledInterval: 300 })
      assert.equal((await within('the event', stalled))[0].jobId, job.id)
      await until('it is done', () => job.isCompleted())
      const done = await queue.getJob(job.id)
      assert.deepEqual([done.returnvalue, done.stalledCounter], ['by another', 1])
    })

    scenario('pause, drain, deduplication, cleaning and obliteration', async (t) => {
      const { queue, worker, events } = rig(t, 'paused')
      const seen = events()
      await seen.waitUntilReady()
      const [paused, resumed] = [once(seen, 'paused'), once(seen, 'resumed')]
      const order = []
      worker(async (job) => order.push(job.name))
      await queue.pause()
      await within('the event paused', paused)
      await queue.add('first', {})
      const again = { deduplication: { id: 'same', ttl: 60_000 } }
      const [a, b] = [await queue.add('once', {}, again), await queue.add('once', {}, again)]
      assert.equal(a.id, b.id)
      assert.equal(await queue.isPaused(), true)
      assert.deepEqual(order, [])
      await queue.resume()
      await within('the event resumed', resumed)
      await until('both', () => order.length === 2)
      assert.deepEqual(order, ['first', 'once'])
      await until('both are completed', async () => (await queue.getCompletedCount()) === 2)
      assert.equal((await queue.clean(0, 100, 'completed')).length, 2)
      await queue.pause()
      await queue.add('drained', {})
      await queue.add('kept', {}, { delay: 60_000 })
      await queue.drain()
      assert.deepEqual(await queue.getJobCounts('waiting', 'paused', 'delayed'), { waiting: 0, paused: 0, delayed: 1 })
      await queue.obliterate({ force: true })
      assert.equal(await queue.getDelayedCount(), 0)
    })

    scenario('no job that was acknowledged is lost when the server is killed', async (t) => {
      const { queue, worker } = rig(t, 'killed')
      const done = new Set()
      worker(async (job) => done.add(job.data.n), { concurrency: 8, lockDuration: 2000, stalledInterval: 500 })
      const acknowledged = []
      for (let kill = 0; kill < 2; kill++) {
        let running = true
        const producer = (async () => {
          // A worker whose word that a job is done gets lost takes that for a failure of the job: hence the attempts.
          for (let n = kill * 1_000_000; running; n++) {
            try {
              await within('an answer', queue.add('x', { n }, { attempts: 10 }), 5000)
              acknowledged.push(n)
            } catch {
              // not acknowledged: it may run or not
            }
          }
        })()
        const before = acknowledged.length
        await until('jobs', () => acknowledged.length >= before + 100)
        await s.kill()
        await s.start()
        const after = acknowledged.length
        await until('jobs again', () => acknowledged.length >= after + 50)
        running = false
        await producer
      }
      await until('all ran', () => acknowledged.every((n) => done.has(n)))
      const left = async () => JSON.stringify(await queue.getJobCounts('waiting', 'active', 'delayed', 'failed'))
      const none = '{"waiting":0,"active":0,"delayed":0,"failed":0}'
      await until('none is left', async () => (await left()) === none).catch(async () => assert.equal(await left(), none))
    })
  })
}
