// A minimal server of holdfast/1 for the profile core,poll: long polls only, and nothing but Node's
// standard library. This file has HTTP (section 3), and who may do what (section 5).
//   node poll_server.mjs PORT        (0: any port)
import { createServer } from 'node:http'
import { makeApp } from './apps.mjs'
import { fail, line, must, readBatch, status } from './batch.mjs'
import { MAX_BATCH, MAX_SESSIONS, Session, hash, same, sessions, tombstones } from './session.mjs'

const BODY_EXTRA = 90 // BOM, the longest preamble, and the end line, with their CRs

// HF1-HTTP-05; no-transform does no harm on errors
const HEADERS = {
  'Cache-Control': 'no-store, no-transform',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Content-Type': 'text/plain; charset=utf-8'
}

// HF1-WHO-09: if it is not ok, the session that has this origin may still allow it.
function originOf ({ origin, host, 'sec-fetch-site': site }) {
  if (origin === 'null' || (origin === undefined && /^(cross|same)-site$/.test(site))) status(403)
  const hostOf = url => URL.canParse(url) ? new URL(url).host : undefined // without a default port
  const own = hostOf(origin) && hostOf(origin) === hostOf(`${new URL(origin).protocol}//${host}`)
  return { origin, ok: origin === undefined || site === 'same-origin' || own }
}

function exchange (headers, body, origin, write, onClose) {
  let text
  try { text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body) } catch { status(400) }
  // HF1-BAT-06: one CR before each LF, and a BOM in front of the first line
  const lines = text.replace(/^\ufeff/, '').replace(/\r\n/g, '\n').split('\n')
  if (lines.at(-1) === '') lines.pop() // HF1-HTTP-02: the last LF may be missing
  const [preamble, kind] = /^holdfast\/1 (open|poll|up|stream) [A-Za-z0-9_-]{16,64}$/.exec(lines[0]) ?? status(400)
  if (lines.length < 2 || lines.indexOf('.') !== lines.length - 1) status(400)
  if (kind === 'stream') status(404) // section 3: a carrier that this server does not have
  if (body.lastIndexOf('.') - body.indexOf('\n') - 1 > MAX_BATCH) status(413) // HF1-BAT-05
  const reply = (head, out) => write([preamble, head, ...out, '.', ''].join('\n')) // HF1-HTTP-01
  try {
    const batch = readBatch(lines.slice(1, -1), kind)
    if (headers['early-data'] === '1' && batch.logs.length) status(425) // HF1-HTTP-08
    const s = findSession(batch, kind, origin)
    if (s.fate) return reply(s.head, s.ended) // HF1-WHO-11
    s.lastReceived = Date.now()
    s.confirmed ||= batch.address.run !== undefined // HF1-WHO-10
    s.accept(batch)
    s[kind](batch, reply, onClose)
  } catch (err) {
    if (!err.refused) throw err
    reply('@1 0', [line('refused', err.refused)]) // HF1-HTTP-10
  }
}

// Finds the session or the tombstone that a request may use. Nothing acts before it is found.
function findSession (batch, kind, { origin, ok }) {
  const { key, run, auth = '', meta, v } = batch.address
  if (kind === 'open') { // HF1-WHO-07: before any lookup
    must(typeof auth === 'string' && auth !== 'refuse', 'auth')
    if (!v.includes(1)) fail('version', { v: [1] }) // HF1-ATT-09
  }
  const octets = Buffer.from(key, 'base64url').toString('latin1')
  const id = hash('holdfast/1 id' + octets, 'latin1').toString('base64url', 0, 16) // HF1-WHO-02
  const known = sessions.get(id) ?? tombstones.get(id)
  must(ok || (known && known.origin === origin), 'origin')
  if (!known && kind === 'open' && run === undefined) { // HF1-WHO-04
    const s = new Session(id, auth, origin)
    s.check(batch)
    if (sessions.size >= MAX_SESSIONS) fail('busy', { retry: 5000 })
    sessions.set(id, s)
    s.app = makeApp(s, meta, of => tombstones.get(of)?.fate ?? {})
    return s
  }
  // HF1-WHO-05, -08: one answer for an unknown session, a wrong run and a wrong principal
  must(known && (run === undefined || same(run, known.run)) && (kind !== 'open' || known.principal === auth), 'unknown')
  known.check?.(batch)
  return known
}

// HF1-HTTP-07: bounded in size (HF1-BAT-05), in time (15 s) and in rate (after 3 s, 256 bytes/s).
function read (req) {
  return new Promise((resolve, reject) => {
    let size = 0, start = Date.now(), chunks = []
    const stop = code => { clearInterval(timer); reject(Object.assign(new Error(), { status: code })) }
    const timer = setInterval(() => Date.now() - start > Math.min(15000, 3000 + size * 1000 / 256) && stop(408), 250)
    if (Number(req.headers['content-length'] ?? 0) > MAX_BATCH + BODY_EXTRA) return stop(413)
    req.on('data', chunk => (size += chunk.length) > MAX_BATCH + BODY_EXTRA ? stop(413) : chunks.push(chunk))
    req.on('end', () => { clearInterval(timer); resolve(Buffer.concat(chunks)) })
    req.on('close', () => stop(400))
  })
}

const server = createServer(async (req, res) => {
  try {
    const { method, headers, url } = req, [path, query = ''] = url.split('?')
    if (path !== '/holdfast') status(404)
    const origin = originOf(headers)
    const unknownCarrier = /websocket/i.test(headers.upgrade) || /(^|&)ticket=/.test(query)
    if (method === 'GET') status(unknownCarrier ? 404 : 426) // HF1-HTTP-03
    if (method !== 'POST') status(405)
    if (!/^text\/plain *(;|$)/i.test(headers['content-type']) || headers['content-encoding']) status(415)
    const write = out => res.writeHead(200, HEADERS).end(out)
    exchange(headers, await read(req), origin, write, forget => res.on('close', forget))
  } catch (err) { // no request ends the server, and nothing that it said is logged (HF1-WHO-12)
    const code = err.status ?? 500
    if (code === 500) console.error('internal error', err.stack.split('\n')[1])
    const more = { 405: { Allow: 'GET, POST' }, 426: { Upgrade: 'websocket' } }[code]
    if (!res.headersSent) res.writeHead(code, { ...HEADERS, ...more, Connection: 'close' }).end(`${code}\n`)
  }
})
server.on('clientError', (err, socket) => { // node's own answer would lack the headers (HF1-HTTP-05)
  const fields = Object.entries({ ...HEADERS, Connection: 'close', 'Content-Length': 0 }).map(f => f.join(': '))
  if (socket.writable && err.code !== 'ECONNRESET') {
    socket.end(['HTTP/1.1 400 Bad Request', ...fields, '', ''].join('\r\n'))
  } else {
    socket.destroy()
  }
})
Object.assign(server, { maxConnections: 10000, requestTimeout: 20000, headersTimeout: 10000 })
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1')
server.on('listening', () => console.log(`Endpoint:  http://127.0.0.1:${server.address().port}/holdfast`))
