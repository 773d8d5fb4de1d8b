// The applications of the conformance suite (docs/conformance.md). An application is called with a
// message; the message is acknowledged when the call, or the promise that it returned, is done.
import { createHash } from 'node:crypto'

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const send = (s, data) => { if (!s.closing && !s.ended) return s.send(data) }
const attempt = (s, data) => {
  try { s.send(data) } catch { return s.send('refused') }
  s.send('sent')
}

async function source (s, { count = 0, size = 0, binary = false }) {
  for (let i = 1; i <= count && !s.closing && !s.ended; i++) {
    const text = String(i).padEnd(size, '.')
    await s.send(binary ? Buffer.from(text) : text)
  }
}

export function makeApp (s, meta, fateOf) {
  const options = meta !== null && typeof meta === 'object' ? meta : {}
  const { conformance: name, delay = 0, code, reason, of } = options
  const echo = data => send(s, data)
  const ignore = () => {}
  if (name === 'source') {
    source(s, options)
    return ignore
  }
  if (name === 'slow') return data => sleep(delay).then(() => send(s, data))
  if (name === 'close') {
    return data => {
      send(s, data)
      s.close(code, reason)
    }
  }
  if (name === 'illformed') return attempt(s, '\ud800'), ignore
  if (name === 'oversize') return attempt(s, 'x'.repeat((1 << 20) + 1)), ignore
  if (name === 'report') return s.send(JSON.stringify(fateOf(of))), ignore
  if (name !== 'sink') return echo
  const digest = createHash('sha256')
  let count = 0
  return data => {
    if (data === 'digest') return send(s, `${count} ${digest.copy().digest('hex')}`)
    count++
    const bytes = Buffer.from(data)
    digest.update(`${typeof data === 'string' ? 't' : 'b'}${bytes.length}:`).update(bytes)
  }
}
