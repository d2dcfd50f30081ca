// What the scenarios of Redis clients have in common: a server to talk to, and waiting for what has to happen.
//
// The server is the built appliance that APPLIANCE_BIN names. REDIS_SERVER=redis-server runs the same scenarios against
// Redis, to tell a scenario that asks for too much from a server that does too little.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePort, open } from './appliance.mjs'

const patience = 30_000

// scenario is a test that ends, so that its server is ended too.
export const scenario = (name, run) => test(name, { timeout: 4 * patience }, run)

// server starts one before the scenarios of a file and ends it after them. Its folder and ports outlive kill and start.
export function server({ always = false, tls = false } = {}) {
  const work = mkdtempSync(join(tmpdir(), 'wayside-kv-js-'))
  const s = { host: '127.0.0.1', ca: join(work, 'cert.pem'), key: join(work, 'key.pem') }
  before(async () => {
    if (tls) certificate(s.ca, s.key)
    Object.assign(s, process.env.REDIS_SERVER ? await redis(work, s, always, tls) : await appliance(work, s, always, tls))
  })
  after(async () => {
    await s.kill?.('SIGTERM')
    rmSync(work, { recursive: true })
  })
  return s
}

async function appliance(work, s, always, tls) {
  const bin = process.env.APPLIANCE_BIN
  if (!bin) throw new Error('APPLIANCE_BIN names no binary')
  const env = { WAYSIDE_KV_APPENDFSYNC: always ? 'always' : 'everysec' }
  const tlsPort = await freePort()
  if (tls) Object.assign(env, { WAYSIDE_KV_TLS_LISTEN: `127.0.0.1:${tlsPort}`, WAYSIDE_KV_TLS_CERT: s.ca, WAYSIDE_KV_TLS_KEY: s.key })
  const a = await open(bin, join(work, 'data'), { kv: true, env })
  return { port: a.kv.port, tlsPort, kill: a.kill, start: a.start }
}

async function redis(work, s, always, tls) {
  const [port, tlsPort] = [await freePort(), await freePort()]
  const args = ['--port', port, '--dir', work, '--appendonly', 'yes', '--appendfsync', always ? 'always' : 'everysec', '--save', '']
  if (tls) args.push('--tls-port', tlsPort, '--tls-cert-file', s.ca, '--tls-key-file', s.key, '--tls-ca-cert-file', s.ca, '--tls-auth-clients', 'no')
  let child
  const start = async () => {
    child = spawn(process.env.REDIS_SERVER, args, { stdio: 'ignore' })
    await until('redis-server listens', () => answers(port))
  }
  const kill = (signal = 'SIGKILL') =>
    new Promise((resolve) => {
      child.once('exit', resolve)
      child.kill(signal)
    })
  await start()
  return { port, tlsPort, kill, start }
}

function certificate(cert, key) {
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=redis']
  const made = spawnSync('openssl', [...args, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert])
  if (made.status !== 0) throw new Error(`openssl makes no certificate (Debian package openssl): ${made.error ?? made.stderr}`)
}

const answers = (port) =>
  new Promise((resolve) => {
    const c = connect(port, '127.0.0.1')
    c.once('error', () => resolve(false))
    c.once('connect', () => c.write('PING\r\n'))
    c.once('data', (b) => {
      c.destroy()
      resolve(String(b).startsWith('+PONG'))
    })
  })

// until waits for what has no event of its own.
export async function until(what, happened, within = patience) {
  for (const end = Date.now() + within; ; ) {
    const value = await happened()
    if (value) return value
    if (Date.now() > end) throw new Error(`${what}: not within ${within} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

// within fails what does not come to an end.
export function within(what, promise, time = patience) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${time} ms`)), time)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
