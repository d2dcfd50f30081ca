// A BullMQ worker in a process of its own, which is killed while it holds a job: bullmq.test.mjs starts it.
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'

const [port, db, queue] = process.argv.slice(2)
const connection = new Redis({ host: '127.0.0.1', port: Number(port), db: Number(db), maxRetriesPerRequest: null })
new Worker(
  queue,
  async (job) => {
    process.stdout.write(`took ${job.id}\n`)
    await new Promise(() => setInterval(() => {}, 1000)) // until it is killed
  },
  { connection, lockDuration: 1000, stalledInterval: 500 },
)
