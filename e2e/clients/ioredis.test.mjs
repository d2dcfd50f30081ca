// ioredis against the Redis-protocol server, over both protocols.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { describe } from 'node:test'
import { Redis } from 'ioredis'
import { scenario, server, until, within } from './kv.mjs'

const s = server({ always: true, tls: true })

// client connects for one scenario, to a database of its own where one is named.
function client(t, options = {}) {
  const c = new Redis({ host: s.host, port: s.port, ...options })
  t.after(() => c.disconnect())
  c.on('error', () => {}) // a server that is being killed
  return c
}

for (const protocol of [2, 3]) {
  describe(`ioredis, RESP${protocol}`, () => {
    const db = protocol
    const open = (t, options) => client(t, { protocol, db, ...options })

    scenario('pipelines keep their order and their errors', async (t) => {
      const c = open(t)
      const p = c.pipeline()
      for (let i = 0; i < 2000; i++) p.set(`pipe:${i}`, i).get(`pipe:${i}`)
      p.lpush('pipe:0', 'x').incr('pipe:n')
      const got = await p.exec()
      assert.equal(got.length, 4002)
      for (let i = 0; i < 2000; i++) assert.deepEqual([got[2 * i], got[2 * i + 1]], [[null, 'OK'], [null, String(i)]])
      assert.match(got[4000][0].message, /^WRONGTYPE Operation against a key holding the wrong kind of value$/)
      assert.deepEqual(got[4001], [null, 1])
      const auto = open(t, { enableAutoPipelining: true })
      const values = await Promise.all(Array.from({ length: 500 }, (_, i) => auto.get(`pipe:${i}`)))
      assert.deepEqual(values, Array.from({ length: 500 }, (_, i) => String(i)))
    })

    scenario('transactions are whole, and WATCH ends those that come late', async (t) => {
      const c = open(t)
      const other = open(t)
      await c.set('tx:a', 1)
      assert.deepEqual(await c.multi().incr('tx:a').set('tx:b', 'x').lpush('tx:b', 1).incr('tx:a').exec().then((r) => r.map(([e, v]) => e?.message.split(' ')[0] ?? v)), [
        2,
        'OK',
        'WRONGTYPE',
        3,
      ])
      await c.watch('tx:a')
      await other.incr('tx:a')
      assert.equal(await c.multi().set('tx:a', 100).exec(), null)
      assert.equal(await c.get('tx:a'), '4')
      await c.watch('tx:a')
      await c.unwatch()
      await other.incr('tx:a')
      assert.deepEqual(await c.multi().get('tx:a').exec(), [[null, '5']])
      await assert.rejects(c.multi().set('tx:a').exec(), /EXECABORT Transaction discarded because of previous errors\./)
    })

    scenario('pub/sub delivers channels and patterns, and goes on after a reconnect', async (t) => {
      const sub = open(t)
      const pub = open(t)
      const got = []
      sub.on('message', (channel, text) => got.push([channel, text]))
      sub.on('pmessage', (pattern, channel, text) => got.push([pattern, channel, text]))
      assert.equal(await sub.subscribe('news', 'sport'), 2)
      assert.equal(await sub.psubscribe('n*s'), 3)
      assert.equal(await pub.publish('news', 'one'), 2)
      assert.equal(await pub.publish('sport', 'two'), 1)
      assert.equal(await pub.publish('nobody', 'three'), 0)
      await until('three messages', () => got.length === 3)
      assert.deepEqual(got.sort((a, b) => a.length - b.length || a[1].localeCompare(b[1])), [['news', 'one'], ['sport', 'two'], ['n*s', 'news', 'one']])
      assert.deepEqual((await pub.pubsub('NUMSUB', 'news', 'sport', 'none')).map(String), ['news', '1', 'sport', '1', 'none', '0'])
      const id = /id=(\d+)/.exec((await pub.client('LIST', 'TYPE', 'pubsub')).split('\n').find((l) => l.includes('sub=2 psub=1')))[1]
      assert.equal(await pub.client('KILL', 'ID', id), 1)
      await until('the subscriber is back', async () => (await pub.publish('news', 'again')) === 2)
      await until('a message after the reconnect', () => got.some((m) => m.at(-1) === 'again'))
      assert.equal(await sub.unsubscribe('news'), 2)
      assert.equal(await pub.publish('news', 'only the pattern'), 1)
    })

    scenario('Lua by defineCommand: EVALSHA, and EVAL after the scripts are gone', async (t) => {
      const c = open(t, {
        scripts: {
          take: {
            numberOfKeys: 2,
            lua: `local n = tonumber(redis.call('GET', KEYS[1]) or '0')
                  if n < tonumber(ARGV[1]) then return redis.error_reply('EMPTY only ' .. n) end
                  redis.call('DECRBY', KEYS[1], ARGV[1])
                  redis.call('RPUSH', KEYS[2], cjson.encode({took = tonumber(ARGV[1]), left = n - ARGV[1]}))
                  return {n - ARGV[1], 'ok', {true, false}, 3.99}`,
          },
        },
      })
      await c.set('lua:stock', 10)
      assert.deepEqual(await c.take('lua:stock', 'lua:log', 4), [6, 'ok', [1, null], 3])
      await c.script('FLUSH')
      assert.deepEqual(await c.take('lua:stock', 'lua:log', 6), [0, 'ok', [1, null], 3])
      await assert.rejects(c.take('lua:stock', 'lua:log', 1), /^ReplyError: EMPTY only 0$/)
      assert.deepEqual((await c.lrange('lua:log', 0, -1)).map(JSON.parse), [{ took: 4, left: 6 }, { took: 6, left: 0 }])
      await assert.rejects(c.eval("return redis.call('LPUSH', KEYS[1], 1)", 1, 'lua:stock'), /WRONGTYPE .*script: [0-9a-f]{40}, on @user_script:1/)
    })

    scenario('blocking commands wake in the order they came, and time out', async (t) => {
      const waiting = [open(t), open(t), open(t)]
      const c = open(t)
      const answers = []
      for (const [i, w] of waiting.entries()) {
        answers.push(w.blpop(`block:${i}`, 'block:all', 0))
        await until('blocked', async () => Number(/blocked_clients:(\d+)/.exec(await c.info('clients'))[1]) === i + 1)
      }
      await c.rpush('block:all', 'first', 'second')
      assert.deepEqual(await within('two pops', Promise.all(answers.slice(0, 2))), [['block:all', 'first'], ['block:all', 'second']])
      await c.rpush('block:2', 'third')
      assert.deepEqual(await within('the third', answers[2]), ['block:2', 'third'])
      const began = Date.now()
      assert.equal(await waiting[0].bzpopmin('block:z', 0.2), null)
      assert.ok(Date.now() - began >= 190)
      const moved = waiting[1].blmove('block:from', 'block:to', 'LEFT', 'RIGHT', 0)
      const popped = waiting[2].bzpopmax('block:z', 0)
      await c.lpush('block:from', 'x')
      await c.zadd('block:z', 1, 'low', 2.5, 'high')
      assert.equal(await within('BLMOVE', moved), 'x')
      assert.deepEqual((await within('BZPOPMAX', popped)).map(String), ['block:z', 'high', '2.5'])
    })

    scenario('streams with groups: each entry goes to one, what is not acknowledged is claimed', async (t) => {
      const [a, b, c] = [open(t), open(t), open(t)]
      assert.equal(await c.xgroup('CREATE', 'stream', 'workers', '$', 'MKSTREAM'), 'OK')
      await assert.rejects(c.xgroup('CREATE', 'stream', 'workers', '$'), /BUSYGROUP Consumer Group name already exists/)
      const read = (w, name) => w.xreadgroup('GROUP', 'workers', name, 'COUNT', 1, 'BLOCK', 0, 'STREAMS', 'stream', '>')
      const [forA, forB] = [read(a, 'a'), read(b, 'b')]
      const ids = [await c.xadd('stream', '*', 'n', 1, 'text', 'grüße'), await c.xadd('stream', '*', 'n', 2)]
      const got = await within('two entries', Promise.all([forA, forB]))
      assert.deepEqual(got.map(([[key, [[id]]]]) => [key, id]).sort(), ids.map((id) => ['stream', id]))
      assert.equal(await c.xack('stream', 'workers', got[0][0][1][0][0]), 1)
      const [count, first, last, consumers] = await c.xpending('stream', 'workers')
      assert.deepEqual([count, first, last, consumers], [1, got[1][0][1][0][0], got[1][0][1][0][0], [['b', '1']]])
      const [cursor, claimed, deleted] = await a.xautoclaim('stream', 'workers', 'a', 0, '0')
      assert.deepEqual([cursor, claimed.map(([id]) => id), deleted], ['0-0', [got[1][0][1][0][0]], []])
      const pending = await c.xpending('stream', 'workers', '-', '+', 10)
      assert.deepEqual(pending.map(([id, who, , times]) => [id, who, times]), [[claimed[0][0], 'a', 2]])
      assert.equal(await c.xlen('stream'), 2)
    })

    scenario('scanStream meets every key once at least, with MATCH and TYPE', async (t) => {
      const c = open(t)
      const p = c.pipeline()
      for (let i = 0; i < 5000; i++) p.set(`scan:${i}`, i)
      for (let i = 0; i < 1000; i++) p.hset('scan:hash', `f${i}`, i).zadd('scan:zset', i, `m${i}`).sadd('scan:set', `s${i}`)
      await p.exec()
      const collect = async (stream) => {
        const all = []
        stream.on('data', (part) => all.push(...part))
        await once(stream, 'end')
        return all
      }
      const keys = new Set(await collect(c.scanStream({ match: 'scan:*', type: 'string', count: 100 })))
      assert.equal(keys.size, 5000)
      assert.equal((await collect(c.hscanStream('scan:hash', { match: 'f*' }))).length, 2000)
      assert.equal((await collect(c.zscanStream('scan:zset'))).length, 2000)
      assert.equal(new Set(await collect(c.sscanStream('scan:set'))).size, 1000)
    })

    scenario('binary values, big values and floats come back as they went', async (t) => {
      const c = open(t)
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      await c.set(bytes, bytes)
      assert.deepEqual(await c.getBuffer(bytes), bytes)
      const big = Buffer.alloc(8 << 20, bytes)
      await c.set('big', big)
      assert.ok((await c.getBuffer('big')).equals(big))
      await c.del('big')
      assert.equal(await c.incrbyfloat('float', '3.0e3'), '3000')
      assert.equal(await c.incrbyfloat('float', 0.5), '3000.5')
      await c.zadd('zset', 'inf', 'a', '-inf', 'b', '1e20', 'c')
      assert.deepEqual((await c.zrange('zset', 0, -1, 'WITHSCORES')).map(String), ['b', '-inf', 'c', '1e+20', 'a', 'inf'])
    })
  })
}

scenario('ioredis over TLS, and keyPrefix, MONITOR and keyspace notifications', async (t) => {
  const secure = client(t, { port: s.tlsPort, tls: { ca: readFileSync(s.ca) }, keyPrefix: 'app:', db: 5 })
  const plain = client(t, { db: 5 })
  await secure.mset({ a: 1, b: 2 })
  assert.deepEqual(await plain.mget('app:a', 'app:b'), ['1', '2'])
  const wrong = client(t, { port: s.tlsPort, tls: {}, retryStrategy: null, lazyConnect: true })
  await assert.rejects(wrong.connect(), /self-signed|closed/i)

  await plain.config('SET', 'notify-keyspace-events', 'Ex')
  const events = client(t, { db: 5 })
  await events.subscribe('__keyevent@5__:expired')
  const expired = once(events, 'message')
  await plain.set('app:brief', 'x', 'PX', 30)
  assert.deepEqual(await within('the event of the end', expired), ['__keyevent@5__:expired', 'app:brief'])
  await plain.config('SET', 'notify-keyspace-events', '')

  const monitor = await client(t).monitor()
  t.after(() => monitor.disconnect())
  const seen = new Promise((resolve) => monitor.on('monitor', (time, args) => args[1] === 'app:seen' && resolve(args)))
  await secure.set('seen', 'x', 'EX', 100)
  assert.deepEqual(await within('MONITOR shows it', seen), ['set', 'app:seen', 'x', 'EX', '100'])
})

scenario('ioredis: nothing that was acknowledged is lost when the server is killed, and what waits goes on', async (t) => {
  const c = client(t, { db: 6, maxRetriesPerRequest: null, retryStrategy: () => 50, autoResendUnfulfilledCommands: false, commandTimeout: 2000 })
  const waiting = client(t, { db: 6, maxRetriesPerRequest: null, retryStrategy: () => 50 })
  const acknowledged = []
  let running = true
  const writers = Array.from({ length: 8 }, async (_, w) => {
    for (let n = 0; running; n++) {
      try {
        await c.multi().rpush(`kept:${w}`, n).set(`last:${w}`, n).exec()
        acknowledged.push([w, n])
      } catch {
        // not acknowledged: it may be there or not
      }
    }
  })
  for (let kill = 0; kill < 3; kill++) {
    const before = acknowledged.length
    await until('writes', () => acknowledged.length > before + 200)
    const popped = waiting.blpop('handed', 0)
    await s.kill()
    await s.start()
    await c.rpush('handed', kill)
    assert.deepEqual(await within('BLPOP after the reconnect', popped), ['handed', String(kill)])
  }
  running = false
  await Promise.all(writers)
  for (let w = 0; w < 8; w++) {
    const there = (await c.lrange(`kept:${w}`, 0, -1)).map(Number)
    const lost = acknowledged.filter(([of, n]) => of === w && !there.includes(n))
    assert.deepEqual(lost, [])
    assert.equal(new Set(there).size, there.length, 'an element is there twice')
    assert.equal(Number(await c.get(`last:${w}`)), there.at(-1))
  }
})
