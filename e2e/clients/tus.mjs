// tus-js-client against the built appliance: 200 MB, of which the appliance is killed in the middle of a piece, and which
// another run of the client goes on with, as after a reload of its page.
import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Upload } from 'tus-js-client'
import { open } from './appliance.mjs'

const bin = process.argv[2]
const size = Number(process.env.SIZE ?? 200 * 1000 * 1000)
const work = mkdtempSync(join(tmpdir(), 'wayside-tus-js-'))
const path = join(work, 'recording.bin')
const data = randomFillSync(Buffer.alloc(size))
writeFileSync(path, data)
const sum = createHash('sha256').update(data).digest('hex')

const appliance = await open(bin, join(work, 'data'))
let url = null
let killed = false

// upload runs until the end, or until `until` bytes were sent.
function upload(until, chunkSize) {
  return new Promise((resolve, reject) => {
    let answer = null
    const up = new Upload(createReadStream(path), {
      endpoint: appliance.url + '/api/v1/uploads',
      uploadUrl: url,
      uploadSize: size,
      chunkSize,
      retryDelays: [0, 200, 500, 1000, 2000, 3000],
      metadata: { filename: 'recording.bin', filetype: 'application/octet-stream' },
      headers: { 'Idempotency-Key': sum },
      onAfterResponse(req, res) {
        if (res.getStatus() < 300 && res.getHeader('X-File-ID')) answer = res.getHeader('X-File-ID')
      },
      onProgress(sent) {
        url = up.url
        if (sent > size * 0.3 && !killed) {
          killed = true
          appliance.kill().then(appliance.start).catch(reject)
        }
        if (until && sent >= until) {
          up.abort().then(() => resolve(null), reject)
          until = 0
        }
      },
      onError: reject,
      onSuccess: () => resolve(answer),
    })
    up.start()
  })
}

try {
  await upload(size * 0.6, 16 * 1000 * 1000)
  const head = await fetch(url, { method: 'HEAD' })
  const offset = Number(head.headers.get('Upload-Offset'))
  if (!(offset > 0 && offset < size)) throw new Error(`after the interruption there are ${offset} of ${size} bytes`)
  const file = await upload(0, 16 * 1000 * 1000)
  if (!file) throw new Error('the last answer names no file')
  const got = await (await fetch(`${appliance.url}/api/v1/files/${file}`)).json()
  const all = await (await fetch(`${appliance.url}/api/v1/files`)).json()
  if (got.sha256 !== sum || got.size !== size || got.name !== 'recording.bin') throw new Error(`other bytes: ${JSON.stringify(got)}`)
  if (all.items.length !== 1) throw new Error(`${all.items.length} files`)
  if (!killed) throw new Error('the appliance was not killed')
  console.log(`tus-js-client: ${size} bytes, killed and interrupted (at ${offset}), one file, the digest is the same`)
} finally {
  await appliance.kill()
  rmSync(work, { recursive: true })
}
