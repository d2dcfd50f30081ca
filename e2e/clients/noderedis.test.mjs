// node-redis against the Redis-protocol server, over both protocols.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe } from 'node:test'
import { createClient, createClientPool, defineScript, RESP_TYPES, WatchError } from 'redis'
import { scenario, server, until, within } from './kv.mjs'

const s = server({ always: true, tls: true })

async function client(t, options = {}) {
  const c = createClient({ ...options, socket: { host: s.host, port: s.port, ...options.socket } })
  c.on('error', () => {}) // a server that is being killed
  t.after(() => c.isOpen && c.destroy())
  return c.connect()
}

const counter = defineScript({
  SCRIPT: `local n = redis.call('INCRBY', KEYS[1], ARGV[1])
           redis.setresp(3)
           return {n, redis.call('HGETALL', KEYS[2]), redis.call('ZSCORE', KEYS[3], 'm')}`,
  NUMBER_OF_KEYS: 3,
  parseCommand(parser, keys, by) {
    parser.pushKeys(keys)
    parser.push(String(by))
  },
  transformReply: (reply) => reply,
})

for (const RESP of [2, 3]) {
  describe(`node-redis, RESP${RESP}`, () => {
    const database = 6 + RESP
    const open = (t, options) => client(t, { RESP, database, ...options })

    scenario('what is sent in one turn is one pipeline, and typed answers', async (t) => {
      const c = await open(t)
      const sums = await Promise.all(Array.from({ length: 3000 }, () => c.incr('turn')))
      assert.deepEqual(sums, Array.from({ length: 3000 }, (_, i) => i + 1))
      await c.hSet('hash', { a: '1', b: 'zwei' })
      assert.deepEqual({ ...(await c.hGetAll('hash')) }, { a: '1', b: 'zwei' })
      await c.zAdd('zset', [{ score: 1.5, value: 'a' }, { score: Infinity, value: 'b' }, { score: -0.1, value: 'c' }])
      assert.deepEqual(await c.zRangeWithScores('zset', 0, -1), [{ value: 'c', score: -0.1 }, { value: 'a', score: 1.5 }, { value: 'b', score: Infinity }])
      assert.deepEqual(await c.zmScore('zset', ['a', 'none']), [1.5, null])
      assert.equal(await c.set('only', 'x', { condition: 'NX', GET: true, expiration: { type: 'PX', value: 90_000 } }), null)
      assert.equal(await c.set('only', 'y', { condition: 'XX', GET: true, expiration: 'KEEPTTL' }), 'x')
      assert.ok((await c.pTTL('only')) > 80_000)
      assert.deepEqual(await c.sendCommand(['OBJECT', 'ENCODING', 'turn']), 'int')
      assert.deepEqual(await c.lPos('none', 'x'), null)
      const bytes = Buffer.from([0, 255, 13, 10])
      await c.set('bytes', bytes)
      assert.deepEqual(await c.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get('bytes'), bytes)
    })

    scenario('transactions: exec, errors inside, and WATCH', async (t) => {
      const c = await open(t)
      const other = await open(t)
      assert.deepEqual(await c.multi().set('tx', 1).incrBy('tx', 4).get('tx').exec(), ['OK', 5, '5'])
      const replies = await c.multi().lPush('tx', 'x').incr('tx').exec().catch((e) => e)
      assert.match(replies.replies[0].message, /^WRONGTYPE/)
      assert.equal(replies.replies[1], 6)
      await c.watch('tx')
      await other.set('tx', 100)
      await assert.rejects(c.multi().set('tx', 0).exec(), WatchError)
      assert.equal(await c.get('tx'), '100')
      const pool = createClientPool({ RESP, database, socket: { host: s.host, port: s.port } }, { minimum: 1, maximum: 4 })
      await pool.connect()
      const add = () =>
        pool.execute(async (own) => {
          for (;;) {
            await own.watch('tx')
            const now = Number(await own.get('tx'))
            try {
              return await own.multi().set('tx', now + 1).exec()
            } catch (e) {
              if (!(e instanceof WatchError)) throw e
            }
          }
        })
      await within('40 additions', Promise.all(Array.from({ length: 40 }, add)))
      assert.equal(await c.get('tx'), '140')
      pool.destroy()
    })

    scenario('pub/sub: channels, patterns, shards, and bytes', async (t) => {
      const sub = await open(t)
      const c = await open(t)
      const got = []
      await sub.subscribe('room', (text, channel) => got.push([channel, text]))
      await sub.pSubscribe('ro[ox]m', (text, channel) => got.push([`pattern ${channel}`, text]))
      await sub.sSubscribe('shard', (text, channel) => got.push([channel, text]))
      assert.equal(await c.publish('room', 'hello'), 2)
      assert.equal(await c.sPublish('shard', 'hello'), 1)
      await until('three messages', () => got.length === 3)
      assert.deepEqual(got.map(([c]) => c).sort(), ['pattern room', 'room', 'shard'])
      if (RESP === 3) assert.equal(await sub.ping(), 'PONG')
      await sub.unsubscribe('room')
      await sub.pUnsubscribe()
      assert.equal(await c.publish('room', 'nobody'), 0)
      assert.deepEqual({ ...(await c.pubSubNumSub(['room'])) }, { room: 0 })
      assert.deepEqual({ ...(await c.pubSubShardNumSub(['shard'])) }, { shard: 1 })
    })

    scenario('scripts answer what RESP3 knows, in the protocol of the caller', async (t) => {
      const c = await open(t, { scripts: { counter } })
      await c.hSet('lua:hash', 'f', 'v')
      await c.zAdd('lua:zset', { score: 1.25, value: 'm' })
      await c.scriptFlush()
      for (const by of [2, 4]) {
        const [n, hash, score] = await c.counter(['lua:n', 'lua:hash', 'lua:zset'], by)
        assert.deepEqual([n, RESP === 3 ? { ...hash } : hash, score], [by === 2 ? 2 : 6, RESP === 3 ? { f: 'v' } : ['f', 'v'], RESP === 3 ? 1.25 : '1.25'])
      }
      await assert.rejects(c.eval('return redis.call("GET")', { keys: [], arguments: [] }), /Wrong number of args calling Redis command from script/)
      await assert.rejects(c.eval('return redis.call("NOPE")', { keys: [], arguments: [] }), /Unknown Redis command called from script/)
    })

    scenario('blocking pops on connections of their own', async (t) => {
      const [c, a, b] = [await open(t), await open(t), await open(t)]
      const first = a.blPop(['q1', 'q2'], 0)
      const second = b.blmPop(0, ['q2', 'q3'], 'LEFT', { COUNT: 2 })
      await until('both wait', async () => (await c.info('clients')).includes('blocked_clients:2'))
      await c.rPush('q3', ['x', 'y', 'z'])
      await c.rPush('q2', 'w')
      assert.deepEqual(await within('BLMPOP', second).then((r) => [...r]), ['q3', ['x', 'y']])
      assert.deepEqual({ ...(await within('BLPOP', first)) }, { key: 'q2', element: 'w' })
      assert.equal(await a.blPop('q1', 0.1), null)
      assert.equal(await a.bzPopMax('q1', 0.1), null)
    })

    scenario('streams with groups', async (t) => {
      const [c, worker] = [await open(t), await open(t)]
      await c.xGroupCreate('jobs', 'g', '0', { MKSTREAM: true })
      const pending = worker.xReadGroup('g', 'one', { key: 'jobs', id: '>' }, { COUNT: 10, BLOCK: 0 })
      const ids = []
      for (let i = 0; i < 3; i++) ids.push(await c.xAdd('jobs', '*', { i: String(i) }))
      await within('XREADGROUP', pending)
      await worker.xReadGroup('g', 'one', { key: 'jobs', id: '>' })
      assert.equal((await c.xPending('jobs', 'g')).pending, 3)
      assert.equal(await c.xAck('jobs', 'g', ids.slice(0, 2)), 2)
      const claimed = await c.xAutoClaim('jobs', 'g', 'two', 0, '-')
      assert.deepEqual(claimed.messages.map((m) => [m.id, { ...m.message }]), [[ids[2], { i: '2' }]])
      assert.deepEqual((await c.xRange('jobs', '-', '+')).map((m) => m.id), ids)
      const info = await c.xInfoGroups('jobs')
      assert.deepEqual([info[0].name, info[0].consumers, info[0].pending, info[0]['last-delivered-id'], info[0]['entries-read'], info[0].lag], ['g', 2, 1, ids[2], 3, 0])
      const stream = await c.xInfoStream('jobs')
      assert.deepEqual([stream.length, stream['last-generated-id'], stream['entries-added'], stream.groups], [3, ids[2], 3, 1])
      assert.equal(await c.xTrim('jobs', 'MAXLEN', 1), 2)
    })

    scenario('scan iterators', async (t) => {
      const c = await open(t)
      await Promise.all(Array.from({ length: 2500 }, (_, i) => c.set(`it:${i}`, i)))
      await Promise.all(Array.from({ length: 700 }, (_, i) => [c.hSet('it:h', `f${i}`, i), c.sAdd('it:s', `m${i}`), c.zAdd('it:z', { score: i, value: `m${i}` })]).flat())
      const collect = async (iterator, of = (x) => x) => {
        const all = new Set()
        for await (const part of iterator) for (const x of [part].flat()) all.add(of(x))
        return all.size
      }
      assert.equal(await collect(c.scanIterator({ MATCH: 'it:*', TYPE: 'string' })), 2500)
      assert.equal(await collect(c.hScanIterator('it:h'), (x) => x.field), 700)
      assert.equal(await collect(c.sScanIterator('it:s')), 700)
      assert.equal(await collect(c.zScanIterator('it:z'), (x) => x.value), 700)
    })
  })
}

scenario('node-redis over TLS, with a user of ACL', async (t) => {
  const admin = await client(t, { socket: { port: s.tlsPort, tls: true, ca: readFileSync(s.ca) } })
  await admin.aclSetUser('reader', ['on', '>secret', '~open:*', '&*', '+@read', '+@connection'])
  await admin.mSet({ 'open:a': '1', 'closed:a': '2' })
  const reader = await client(t, { username: 'reader', password: 'secret', socket: { port: s.tlsPort, tls: true, ca: readFileSync(s.ca) } })
  assert.equal(await reader.get('open:a'), '1')
  await assert.rejects(reader.get('closed:a'), /NOPERM this user has no permissions to access one of the keys used as arguments/)
  await assert.rejects(reader.set('open:a', '2'), /NOPERM this user has no permissions to run the 'set' command/)
  await assert.rejects(client(t, { username: 'reader', password: 'wrong', socket: { reconnectStrategy: false } }), /WRONGPASS invalid username-password pair or user is disabled\./)
  await admin.aclDelUser('reader')
})

scenario('node-redis: client-side cache is told of changes', async (t) => {
  const c = await client(t, { RESP: 3, database: 0, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' } })
  const other = await client(t, { database: 0 })
  await other.set('cached', '1')
  assert.equal(await c.get('cached'), '1')
  const asked = async () => Number(/keyspace_hits:(\d+)/.exec(await other.info('stats'))[1])
  const before = await asked()
  for (let i = 0; i < 50; i++) assert.equal(await c.get('cached'), '1')
  assert.equal(await asked(), before, 'the cache is not used')
  await other.set('cached', '2')
  await until('the change is seen', async () => (await c.get('cached')) === '2')
  await other.flushDb()
  await until('the flush is seen', async () => (await c.get('cached')) === null)
})

scenario('node-redis: nothing that was acknowledged is lost when the server is killed, and subscriptions come back', async (t) => {
  const socket = { reconnectStrategy: () => 50 }
  const c = await client(t, { database: 10, socket })
  const sub = await client(t, { database: 10, socket })
  const heard = []
  await sub.subscribe('after', (text) => heard.push(text))
  const acknowledged = []
  let running = true
  const writers = Array.from({ length: 8 }, async (_, w) => {
    for (let n = 0; running; n++) {
      try {
        await c.multi().zAdd(`kept:${w}`, { score: n, value: String(n) }).hSet(`last:${w}`, 'n', String(n)).exec()
        acknowledged.push([w, n])
      } catch {
        // not acknowledged: it may be there or not
      }
    }
  })
  for (let kill = 0; kill < 3; kill++) {
    const before = acknowledged.length
    await until('writes', () => acknowledged.length > before + 200)
    await s.kill()
    await s.start()
    await until('the subscription is back', async () => (await c.publish('after', String(kill)).catch(() => 0)) === 1)
    await until('a message after the reconnect', () => heard.includes(String(kill)))
  }
  running = false
  await within('the writers end', Promise.all(writers))
  for (let w = 0; w < 8; w++) {
    const there = new Set(await c.zRange(`kept:${w}`, 0, -1))
    assert.deepEqual(acknowledged.filter(([of, n]) => of === w && !there.has(String(n))), [])
    assert.equal(await c.hGet(`last:${w}`, 'n'), (await c.zRange(`kept:${w}`, -1, -1))[0])
  }
})
