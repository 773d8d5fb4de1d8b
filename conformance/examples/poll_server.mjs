// A minimal server of holdfast/1 for the profile core,poll: long polls only, Node's standard library only.
//   node poll_server.mjs PORT        (0: any port)
import { createServer } from 'node:http'
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { makeApp } from './apps.mjs'

const MAX_BATCH = 65536, MAX_MESSAGE = 1 << 20, WINDOW = 2 << 20, LINE = 1536
const PING = 8000, HOLD = 5000, TTL = 30000 // short, so that a test sees them
const NOT_REPEATED = 20000, STANDBY = 30000, GRACE = 10000, ACK_DELAY = 250, TOMBSTONE = 600000
// Every table is bounded. A session keeps at most WINDOW each way and one message more; what waits for the window is bounded by
// its application, which waits too (Session.send). So 1,000 sessions are some GB at the very worst.
const MAX_SESSIONS = 1000, MAX_TOMBSTONES = 100000, MAX_PATHS = 4, MAX_COPIES = 4, MAX_ENDED = 64
const BODY_EXTRA = 90 // BOM, the longest preamble, and the end line, with their CRs
const sessions = new Map() // id → Session
const tombstones = new Map() // id → what is left of an ended session, the oldest first

const token = () => randomBytes(18).toString('base64url')
const hash = (text, encoding) => createHash('sha256').update(text, encoding).digest()
const same = (a, b) => timingSafeEqual(hash(a), hash(b)) // HF1-WHO-12: constant time
const line = (name, fields) => `!${name} ${JSON.stringify(fields)}`
const fail = (reason, fields) => { throw Object.assign(new Error(), { refused: { reason, ...fields } }) }
const must = (ok, reason = 'malformed') => ok || fail(reason)
const status = code => { throw Object.assign(new Error(), { status: code }) }

// ---- Batches (section 2) ----

// The controls a client may send: in which bodies (HF1-ERR-05), and the fields with their types (HF1-BAT-11).
const CONTROLS = {
  '!open': 'open | v:N x:S? key:s run:s? att:1 u:1? recv:n lim:lim auth:any? meta:any?',
  '!poll': 'poll | key:s run:s att:1 p:1 recv:n hold:n?',
  '!up': 'up | key:s run:s att:1',
  '!use': 'up poll | u:1 att:1 challenge:s recv:n',
  '!detach': 'up | code:n gone:true?', '!rewind': 'up | recv:n',
  '!ping': 'up poll | i:n', '!pong': 'up poll | i:n',
  '!ticket': 'up | att:1 u:1? recv:n', // without event streams there is none to give
  '!close': 'open poll up | code:n reason:s', '?beacon': '|', '?move': '|'
}
const TYPES = {
  n: v => typeof v === 'number', 1: v => TYPES.n(v) && v >= 1, s: v => typeof v === 'string', true: v => v === true,
  any: () => true, N: v => Array.isArray(v) && v.every(TYPES.n), S: v => Array.isArray(v) && v.every(TYPES.s),
  lim: v => v !== null && typeof v === 'object' && !Array.isArray(v) && (!Object.hasOwn(v, 'maxBatch') || TYPES.n(v.maxBatch))
}
const isNumber = text => /^(0|[1-9]\d{0,15})$/.test(text) && Number(text) <= Number.MAX_SAFE_INTEGER // HF1-BAT-04

// JSON.parse forgets how numbers were written and which names came twice, so the tokens are looked at as well.
function readJSON (text, spec) {
  let all
  try { all = JSON.parse(text) } catch { fail('malformed') }
  must(/^\{.*\}$/s.test(text))
  const path = [], seen = new Set()
  for (const [t] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    if (t === '{' || t === '[') must(path.push('') <= 8) // HF1-BAT-11
    if (t === '}' || t === ']') path.pop()
    if (!t.endsWith(':')) continue
    path[path.length - 1] = JSON.parse(t.slice(0, -1))
    const name = JSON.stringify(path)
    must(!seen.has(name) || !(path.length === 1 ? spec.some(([n]) => n === path[0]) : name === '["lim","maxBatch"]'))
    seen.add(name)
  }
  // a number that is written otherwise than the protocol's is none
  const strict = JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, t => t[0] === '"' || isNumber(t) ? t : 'null'))
  for (const [name, type] of spec) must(Object.hasOwn(all, name) ? TYPES[type.replace('?', '')](strict[name]) : type.endsWith('?'))
  return all
}

function readLine (text, kind) {
  const [log, plus, type, rest] = /^(\+?)([tb])(.*)$/s.exec(text) ?? []
  if (log) {
    const data = type === 'b' ? Buffer.from(rest, 'base64')
      : Buffer.from(rest.replace(/\\./g, e => ({ '\\\\': '\\', '\\n': '\n', '\\r': '\r' })[e]))
    // HF1-BAT-02; HF1-BAT-03: of base64, only the one right spelling survives the way back
    must(type === 't' ? /^[^\\]*(\\[\\nr][^\\]*)*$/.test(rest) : data.toString('base64') === rest)
    return { more: plus === '+', type, data }
  }
  const [, name, json] = /^([!?][a-z][a-z0-9-]{0,31})(?: (.*))?$/s.exec(text) ?? fail('malformed')
  const known = Object.hasOwn(CONTROLS, name)
  const [places, spec] = (known ? CONTROLS[name] : '|').split('|').map(part => part.split(' ').filter(Boolean))
  must(Buffer.byteLength(text) + 1 <= 8192 && (known ? places.includes(kind) : name[0] === '?')) // HF1-BAT-11, ERR-05, BAT-10
  const fields = json === undefined && !known ? {} : readJSON(json ?? '', spec.map(field => field.split(':')))
  if (name !== '!close') return { name, known, fields: known ? fields : {} }
  must(fields.code >= 4100 && fields.code <= 4399 && Buffer.byteLength(fields.reason) <= 128) // HF1-CLO-01
  return { type: 'close', data: Buffer.alloc(0), fields }
}

// HF1-CLO-01: no line follows a close; HF1-BAT-09: a piece is continued by its type
const follows = (before, item) => must(before?.type !== 'close' && (!before?.more || before.type === item.type))

// HF1-BAT-01: all of a batch is read before any of it acts.
function readBatch (lines, kind) {
  const [, first, ack] = /^@(\d+) (\d+)(?: [A-Za-z0-9_-]{1,64})?$/.exec(lines[0]) ?? fail('malformed') // HF1-BAT-12: no mark
  must(isNumber(first) && isNumber(ack) && !lines.some(text => text.includes('\r'))) // HF1-BAT-04, -06
  const batch = { first: Number(first), ack: Number(ack), logs: [], controls: [] }
  for (const [i, text] of lines.slice(1).entries()) {
    const item = readLine(text, kind)
    must((i === 0) === (item.name === '!' + kind)) // HF1-HTTP-09
    if (item.type) follows(batch.logs.at(-1), item)
    batch[item.type ? 'logs' : 'controls'].push(item)
  }
  must(lines.length > 1 && batch.first >= 1 && batch.first + batch.logs.length <= Number.MAX_SAFE_INTEGER) // HF1-BAT-04
  const { key } = batch.address = batch.controls.shift().fields
  must(/^[A-Za-z0-9_-]{43}$/.test(key) && Buffer.from(key, 'base64url').toString('base64url') === key) // HF1-WHO-01
  return batch
}

// HF1-BAT-08: a message's lines, of at most LINE bytes, { text, cost }; the window counts cost (HF1-NUM-10).
function split (data) {
  const parts = ['']
  if (typeof data !== 'string') {
    for (let i = 0; i === 0 || i < data.length; i += 1149) parts[i / 1149] = data.subarray(i, i + 1149).toString('base64')
  }
  let size = 0
  for (let c of typeof data === 'string' ? data : '') { // by scalar value, and an escape stays whole
    c = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' }[c] ?? c
    const bytes = c < '\x80' ? c.length : Buffer.byteLength(c)
    if ((size += bytes) > LINE - 3) size = parts.push('') && bytes
    parts[parts.length - 1] += c
  }
  const sign = i => (i < parts.length - 1 ? '+' : '') + (typeof data === 'string' ? 't' : 'b')
  return parts.map((text, i) => ({ text: sign(i) + text, cost: Buffer.byteLength(text) + 16 }))
}

// ---- Sessions (sections 4 to 8, 10, 11) ----

class Session {
  constructor (id, principal, origin) {
    Object.assign(this, { id, principal, origin, run: token(), born: Date.now(), heard: Date.now(), repeated: false })
    Object.assign(this, { recv: 0, taken: 0, ackSent: 0, untold: 0, held: 0, queue: [], pieces: [], piecesSize: 0 }) // up
    Object.assign(this, { log: [], acked: 0, sent: 0, cost: 0, lastMessage: 0, waiting: [] }) // down; log[0] has number acked + 1
    Object.assign(this, { paths: new Map(), codes: new Map(), highest: 0, sel: { u: 0, att: 0 }, cap: Infinity })
  }

  // For the application: takes a message at once if the window has room, else gives a promise, and who waits for it is bounded.
  send (data) {
    if (this.closing || this.ended) throw new Error('the session is closed')
    if (typeof data === 'string' && !data.isWellFormed()) throw new Error('ill-formed text') // HF1-BAT-07
    if (Buffer.byteLength(data) > MAX_MESSAGE) throw new Error('message too large') // HF1-NUM-10
    return this.enqueue(split(data))
  }

  close (code, reason) {
    if (!this.closing && !this.ended) this.enqueue([{ text: line('close', { code, reason }), cost: 0 }], { code, reason })
    this.closing = true
  }

  enqueue (lines, close) {
    const message = { lines, close, cost: lines.reduce((sum, l) => sum + l.cost, 0) }
    this.waiting.push(message)
    this.fill()
    if (this.waiting.includes(message)) return new Promise(resolve => { message.resolve = resolve })
  }

  fill () { // HF1-NUM-10: one message may always go, else only what the window has room for
    while (this.waiting.length && !this.ended && (this.cost === 0 || this.cost + this.waiting[0].cost <= WINDOW)) {
      const { lines, cost, close, resolve } = this.waiting.shift()
      for (const l of lines) this.log.push(l)
      this.cost += cost
      if (close) this.closed = { ...close, number: this.top, at: Date.now() }
      else this.lastMessage = this.top
      resolve?.()
      this.soon()
    }
  }

  get top () { return this.acked + this.log.length } // the highest number in the log
  soon () { this.flushing ??= setImmediate(() => { this.flushing = undefined; this.flush() }) } // coalesces

  check (batch) { // what must be refused is found before anything acts
    const stated = [batch.address, ...batch.controls.map(c => c.fields)].map(f => f.recv ?? 0)
    must(Math.max(batch.ack, ...stated) <= this.sent, 'position') // HF1-NUM-09
    const next = batch.logs[this.recv + 1 - batch.first] // the first new line; undefined in a gap or if all are old
    if (next) follows(this.last, next)
  }

  accept (batch) { // ack and log lines; nothing here waits for the application (HF1-NUM-12)
    if (batch.ack > this.acked) { // HF1-NUM-04, -05: only an ack lets lines go
      for (const l of this.log.splice(0, batch.ack - this.acked)) this.cost -= l.cost
      this.acked = batch.ack
      if (this.closed?.number <= this.acked) this.end(this.closed.code, this.closed.reason) // HF1-CLO-04
      this.fill()
    }
    if (batch.first > this.recv + 1) return // HF1-NUM-06, HF1-POL-05: a gap; the reply states recv
    for (const item of batch.logs.slice(this.recv + 1 - batch.first)) { // HF1-NUM-02, -03: old lines do nothing
      if (this.ended) return
      const { length } = item.data
      Object.assign(this, { recv: this.recv + 1, last: item, held: this.held + length + 16, piecesSize: this.piecesSize + length })
      this.pieces.push(item.data)
      const cost = this.piecesSize + 16 * this.pieces.length
      // HF1-NUM-10: no message above maxMessage, and no more than the window save the oldest message
      if (this.piecesSize > MAX_MESSAGE || (this.held > WINDOW && this.held > cost)) return this.end(4304, 'window overrun')
      if (item.more) continue
      const data = Buffer.concat(this.pieces)
      this.queue.push({ close: item.fields, data: item.type === 't' ? data.toString() : data, cost, last: this.recv })
      Object.assign(this, { pieces: [], piecesSize: 0 })
    }
    this.pump()
  }

  pump () { // one message after the other; it is taken when its application is done with it (HF1-NUM-05)
    while (this.queue.length && !this.busy && !this.ended) {
      const m = this.queue.shift()
      const wait = m.close ? undefined : this.app(m.data)
      this.busy = wait !== undefined
      if (wait) wait.then(() => { this.busy = false; this.take(m); this.pump() })
      else this.take(m)
    }
  }

  take ({ last, cost, close }) {
    if (this.ended) return
    Object.assign(this, { taken: last, held: this.held - cost, untold: this.untold + cost })
    if (close) return this.end(close.code, close.reason) // HF1-CLO-03
    if (last - this.ackSent >= 32 || this.untold >= WINDOW / 4) { this.ackDue = true; this.soon() } // HF1-NUM-11
    this.timer ??= setTimeout(() => { this.timer = undefined; this.ackDue = this.taken > this.ackSent; this.flush() }, ACK_DELAY)
  }

  end (code, reason) {
    if (this.ended) return
    this.ended = [line('closed', { code, reason, recv: this.taken, ack: this.acked })]
    for (const path of this.paths.values()) this.answerAll(path)
    sessions.delete(this.id)
    // HF1-CLO-05: delivered is what was acknowledged; of the rest, only what was never written is known not to be
    const fate = { sent: this.lastMessage, delivered: Math.min(this.acked, this.lastMessage), exact: this.sent <= this.acked }
    const { run, principal, origin, ended } = this
    tombstones.set(this.id, { run, principal, origin, ended, head: this.head(0), fate, at: Date.now() }) // HF1-WHO-11
    if (tombstones.size > MAX_TOMBSTONES) tombstones.delete(tombstones.keys().next().value)
  }

  endPath (path, code) {
    this.paths.delete(path.att)
    this.codes.set(path.att, code)
    for (const att of this.codes.keys()) if (att <= this.highest - MAX_ENDED) this.codes.delete(att)
    this.answerAll(path)
  }

  // HF1-ATT-03: undefined for one that lives
  goneLines (att) { return this.paths.has(att) ? undefined : [line('detach', { code: this.codes.get(att) ?? 4004, gone: true })] }

  select (u, path) {
    const old = this.paths.get(this.sel.att)
    this.sel = { u, att: path.att }
    if (old) Object.assign(old, { lostAt: Date.now(), owed: true }) // HF1-SEL-08: told once, by a poll that hangs or by the next
    Object.assign(path, { lostAt: undefined, owed: false })
    if (old && old !== path) this.answerAll(old)
    this.flush()
  }

  stated (recv) { // HF1-ATT-07: the last batch of lines is lost if a later poll or a new path does not have it
    if (Math.max(recv, this.acked) < this.underWay?.last) this.cap = Math.max(1024, this.underWay.size >> 1)
    this.underWay = undefined
  }

  // The requests; write(head, lines) answers.
  open ({ address: { att, u, recv, lim } }, write) {
    const over = this.codes.has(att) || att <= this.highest - MAX_ENDED // HF1-ATT-03
    const gone = this.ended ?? (over ? this.goneLines(att) : undefined)
    if (gone) return write(this.head(recv), gone)
    this.stated(recv)
    const path = this.paths.get(att) ?? { att, polls: [], challenge: token() }
    this.answerAll(path, { empty: true }) // HF1-ATT-02: the newest request carries it
    const oldest = [...this.paths.values()].find(other => other.att !== this.sel.att)
    if (this.paths.size >= MAX_PATHS && !this.paths.has(att)) this.endPath(oldest, 4004) // HF1-ATT-04
    this.paths.set(att, path)
    this.highest = Math.max(this.highest, att)
    Object.assign(path, { p: 0, heard: Date.now(), maxBatch: Math.min(Math.max(lim.maxBatch ?? 65536, 2048), 1048576) })
    if (u > this.sel.u) this.select(u, path) // HF1-SEL-01
    const fields = { v: 1, id: this.id, run: this.run, node: 'poll', att, recv: this.recv, sel: this.sel }
    const limits = { lim: { maxBatch: MAX_BATCH, maxMessage: MAX_MESSAGE }, win: WINDOW, ping: PING, hold: HOLD, ttl: TTL }
    write(this.head(recv), [line('opened', { ...fields, ...limits, challenge: path.challenge })])
  }

  up ({ address: { att }, controls }, write) {
    const path = this.paths.get(att)
    if (path) path.heard = Date.now()
    const use = controls.find(c => c.name === '!use')
    const gone = use && this.goneLines(use.fields.att) // HF1-ATT-03
    const extra = gone ? [] : this.act(controls, path)
    write(this.head(0), this.ended ?? gone ?? [this.reply(this.sent), ...extra])
  }

  act (controls, path) { // gives the lines that answer them
    for (const { name, fields } of controls) {
      const chosen = name === '!use' ? this.paths.get(fields.att) : undefined
      const use = chosen && fields.u > this.sel.u && same(fields.challenge, chosen.challenge) // HF1-SEL-03
      for (const poll of (use ? chosen : name === '!rewind' ? path : undefined)?.polls ?? []) poll.recv = fields.recv // NUM-07
      if (use) this.select(fields.u, chosen)
      if (name === '!detach' && path) this.endPath(path, 4004) // HF1-ATT-02
    }
    return controls.filter(c => c.name === '!ping').map(c => line('pong', { i: c.fields.i })) // HF1-LIV-02
  }

  poll ({ address: { att, p, recv, hold }, controls, logs }, write, onClose) {
    const path = this.paths.get(att)
    if (!path || this.ended) return write(this.head(recv), this.ended ?? this.goneLines(att))
    path.heard = Date.now()
    const poll = { path, recv, write, extra: this.act(controls, path) }
    if (p < path.p) return this.answer(poll, { empty: true }) // HF1-POL-02
    if (p > path.p) { this.answerAll(path, { empty: true }); this.stated(recv) } // HF1-POL-02
    path.p = p
    if (path.polls.push(poll) > MAX_COPIES) this.answer(path.polls[0], { empty: true })
    // HF1-POL-03; an unknown ? control does nothing, so neither does it end a poll
    if (logs.length || controls.some(c => c.known) || path.owed) return this.answer(poll)
    setTimeout(() => path.polls.includes(poll) && this.answer(poll), Math.min(HOLD, hold || HOLD))
    onClose(() => this.forget(poll)) // HF1-POL-06
    this.flush()
  }

  forget (poll) { poll.path.polls = poll.path.polls.filter(other => other !== poll) } // its timer then finds it answered

  flush () { // answers the polls of the selected path if there is a line, or an ack that is due
    const path = this.paths.get(this.sel.att)
    if (path && (this.ackDue || path.polls.some(poll => this.top > Math.max(poll.recv, this.acked)))) this.answerAll(path)
  }

  answerAll (path, how) { // sent as it was before, so that copies get the same (HF1-POL-02)
    const { sent } = this
    for (const poll of [...path.polls]) this.answer(poll, { ...how, sent })
  }

  answer (poll, { empty = false, sent = this.sent } = {}) {
    this.forget(poll)
    const { path, recv, write, extra } = poll, head = this.head(recv)
    const gone = this.ended ?? this.goneLines(path.att)
    const lines = gone ?? [this.reply(sent), ...extra]
    if (path.owed && !gone) lines.push(line('detach', { code: 4001 })) // HF1-SEL-08
    path.owed = false
    if (!empty && !gone && this.sel.att === path.att) this.addLines(lines, recv, path.maxBatch, head)
    write(head, lines)
  }

  addLines (lines, recv, maxBatch, head) {
    const from = Math.max(recv, this.acked) // HF1-NUM-08, HF1-ATT-05
    let n = from, size = lines.reduce((sum, l) => sum + Buffer.byteLength(l) + 1, head.length + 1)
    for (; n < this.top; n++) {
      const { text } = this.log[n - this.acked]
      size += Buffer.byteLength(text) + 1
      if (n > from && size > Math.min(maxBatch, this.cap)) break // HF1-ATT-06; HF1-ATT-07: one line may always go
      lines.push(text)
    }
    if (n > from) Object.assign(this, { sent: Math.max(this.sent, n), underWay: { last: n, size } })
  }

  head (recv) { // HF1-NUM-06: acked + 1 is the lowest line held, so that it never looks like a gap
    Object.assign(this, { ackSent: this.taken, untold: 0, ackDue: false })
    return `@${Math.max(recv, this.acked) + 1} ${this.taken}`
  }

  reply (sent) { return line('reply', { recv: this.recv, sent, sel: this.sel }) } // HF1-SEL-05

  sweep (now) {
    if (now - this.heard > TTL) return this.end(4201, 'expired') // HF1-LIV-08
    if (now - this.closed?.at > GRACE) return this.end(this.closed.code, this.closed.reason) // HF1-CLO-04
    for (const path of [...this.paths.values()]) {
      if (now - path.lostAt > STANDBY) this.endPath(path, 4004) // HF1-SEL-08
      else if (now - path.heard > HOLD + 2 * PING) this.endPath(path, 4002) // HF1-LIV-03
    }
    if (this.repeated || now - this.born <= NOT_REPEATED) return
    this.end(4201, 'not repeated')
    tombstones.delete(this.id) // HF1-WHO-10: dropped, and no tombstone
  }
}

setInterval(() => {
  for (const session of sessions.values()) session.sweep(Date.now())
  for (const [id, tomb] of tombstones) if (Date.now() - tomb.at > TOMBSTONE) tombstones.delete(id)
}, 250)

// ---- HTTP (section 3) and who may do what (section 5) ----

// HF1-HTTP-05; no-transform does no harm on errors
const HEADERS = { 'Cache-Control': 'no-store, no-transform', 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' }
HEADERS['Content-Type'] = 'text/plain; charset=utf-8'

function originOf ({ origin, host, 'sec-fetch-site': site }) { // HF1-WHO-09; if not ok, its own session may yet allow it
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
    const s = admit(batch, kind, origin)
    if (s.fate) return reply(s.head, s.ended) // HF1-WHO-11
    s.heard = Date.now()
    s.repeated ||= batch.address.run !== undefined // HF1-WHO-10
    s.accept(batch)
    s[kind](batch, reply, onClose)
  } catch (err) {
    if (!err.refused) throw err
    reply('@1 0', [line('refused', err.refused)]) // HF1-HTTP-10
  }
}

// The session, or the tombstone, that a request may speak to. Nothing has acted when it is refused.
function admit (batch, kind, { origin, ok }) {
  const { key, run, auth = '', meta, v } = batch.address
  if (kind === 'open') { // HF1-WHO-07: before any lookup
    must(typeof auth === 'string' && auth !== 'refuse', 'auth')
    if (!v.includes(1)) fail('version', { v: [1] }) // HF1-ATT-09
  }
  // HF1-WHO-02
  const id = hash('holdfast/1 id' + Buffer.from(key, 'base64url').toString('latin1'), 'latin1').toString('base64url', 0, 16)
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
    if (method === 'GET') status(/websocket/i.test(headers.upgrade) || /(^|&)ticket=/.test(query) ? 404 : 426) // HF1-HTTP-03
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
  if (socket.writable && err.code !== 'ECONNRESET') socket.end(['HTTP/1.1 400 Bad Request', ...fields, '', ''].join('\r\n'))
  else socket.destroy()
})
Object.assign(server, { maxConnections: 10000, requestTimeout: 20000, headersTimeout: 10000 })
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1')
server.on('listening', () => console.log(`Endpoint:  http://127.0.0.1:${server.address().port}/holdfast`))
