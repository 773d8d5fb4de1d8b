// The sessions of the example server: sections 4 to 8, 10 and 11 of docs/protocol.md.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { follows, line, must, split } from './batch.mjs'

export const MAX_BATCH = 65536
const MAX_MESSAGE = 1 << 20, WINDOW = 2 << 20
const PING = 8000, HOLD = 5000, TTL = 30000 // short, so that a test sees them
const NOT_REPEATED = 20000, STANDBY = 30000, GRACE = 10000, ACK_DELAY = 250, TOMBSTONE = 600000
// Every table is bounded. A session keeps at most WINDOW each way and one message more. What waits
// for the window is bounded by the application, which waits too (Session.send). So 1,000 sessions
// need some GB at most.
export const MAX_SESSIONS = 1000
const MAX_TOMBSTONES = 100000, MAX_ATTACHMENTS = 4, MAX_COPIES = 4, MAX_ENDED = 64
export const sessions = new Map() // id → Session
export const tombstones = new Map() // id → what is left of an ended session, the oldest first

const token = () => randomBytes(18).toString('base64url')
export const hash = (text, encoding) => createHash('sha256').update(text, encoding).digest()
export const same = (a, b) => timingSafeEqual(hash(a), hash(b)) // HF1-WHO-12: constant time

export class Session {
  constructor (id, principal, origin) {
    Object.assign(this, { id, principal, origin, run: token(), confirmed: false })
    Object.assign(this, { createdAt: Date.now(), lastReceived: Date.now() })
    // up
    Object.assign(this, { recv: 0, taken: 0, ackSent: 0, takenUnacked: 0 })
    Object.assign(this, { held: 0, queue: [], pieces: [], piecesSize: 0 })
    // down; log[0] has number acked + 1
    Object.assign(this, { log: [], acked: 0, sent: 0, cost: 0, lastMessage: 0, waiting: [] })
    Object.assign(this, { attachments: new Map(), codes: new Map(), highest: 0 })
    Object.assign(this, { sel: { u: 0, att: 0 }, batchLimit: Infinity })
  }

  // For the application: takes a message at once if the window has room. Otherwise it returns a
  // promise; an application that waits for it stays bounded.
  send (data) {
    if (this.closing || this.ended) throw new Error('the session is closed')
    if (typeof data === 'string' && !data.isWellFormed()) throw new Error('ill-formed text') // HF1-BAT-07
    if (Buffer.byteLength(data) > MAX_MESSAGE) throw new Error('message too large') // HF1-NUM-10
    return this.enqueue(split(data))
  }

  close (code, reason) {
    if (!this.closing && !this.ended) {
      this.enqueue([{ text: line('close', { code, reason }), cost: 0 }], { code, reason })
    }
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
      this.scheduleFlush()
    }
  }

  get top () { return this.acked + this.log.length } // the highest number in the log
  scheduleFlush () { this.flushing ??= setImmediate(() => { this.flushing = undefined; this.flush() }) } // coalesces

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
      Object.assign(this, { recv: this.recv + 1, last: item })
      Object.assign(this, { held: this.held + length + 16, piecesSize: this.piecesSize + length })
      this.pieces.push(item.data)
      const cost = this.piecesSize + 16 * this.pieces.length
      // HF1-NUM-10: no message above maxMessage; no more than the window, except one whole message
      const overrun = this.held > WINDOW && this.held > cost
      if (this.piecesSize > MAX_MESSAGE || overrun) return this.end(4304, 'window overrun')
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
    Object.assign(this, { taken: last, held: this.held - cost, takenUnacked: this.takenUnacked + cost })
    if (close) return this.end(close.code, close.reason) // HF1-CLO-03
    if (last - this.ackSent >= 32 || this.takenUnacked >= WINDOW / 4) { // HF1-NUM-11
      this.ackDue = true
      this.scheduleFlush()
    }
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.ackDue = this.taken > this.ackSent
      this.flush()
    }, ACK_DELAY)
  }

  end (code, reason) {
    if (this.ended) return
    this.ended = [line('closed', { code, reason, recv: this.taken, ack: this.acked })]
    for (const attachment of this.attachments.values()) this.answerAll(attachment)
    sessions.delete(this.id)
    // HF1-CLO-05: delivered is what was acknowledged. The rest is surely not delivered only if it
    // was never written.
    const delivered = Math.min(this.acked, this.lastMessage)
    const fate = { sent: this.lastMessage, delivered, exact: this.sent <= this.acked }
    const { run, principal, origin, ended } = this
    tombstones.set(this.id, { run, principal, origin, ended, head: this.head(0), fate, at: Date.now() }) // HF1-WHO-11
    if (tombstones.size > MAX_TOMBSTONES) tombstones.delete(tombstones.keys().next().value)
  }

  endAttachment (attachment, code) {
    this.attachments.delete(attachment.att)
    this.codes.set(attachment.att, code)
    for (const att of this.codes.keys()) if (att <= this.highest - MAX_ENDED) this.codes.delete(att)
    this.answerAll(attachment)
  }

  goneLines (att) { // HF1-ATT-03: undefined for an open one
    if (this.attachments.has(att)) return undefined
    return [line('detach', { code: this.codes.get(att) ?? 4004, gone: true })]
  }

  select (u, attachment) {
    const old = this.attachments.get(this.sel.att)
    this.sel = { u, att: attachment.att }
    // HF1-SEL-08: !detach goes out once, on a poll that hangs or on the next one
    if (old) Object.assign(old, { lostAt: Date.now(), detachDue: true })
    Object.assign(attachment, { lostAt: undefined, detachDue: false })
    if (old && old !== attachment) this.answerAll(old)
    this.flush()
  }

  learnLoss (recv) { // HF1-ATT-07: the last batch of lines is lost if a later poll or a new attachment does not have it
    if (Math.max(recv, this.acked) < this.inFlight?.last) this.batchLimit = Math.max(1024, this.inFlight.size >> 1)
    this.inFlight = undefined
  }

  // The requests; write(head, lines) answers.
  open ({ address: { att, u, recv, lim } }, write) {
    const over = this.codes.has(att) || att <= this.highest - MAX_ENDED // HF1-ATT-03
    const gone = this.ended ?? (over ? this.goneLines(att) : undefined)
    if (gone) return write(this.head(recv), gone)
    this.learnLoss(recv)
    const attachment = this.attachments.get(att) ?? { att, polls: [], challenge: token() }
    this.answerAll(attachment, { empty: true }) // HF1-ATT-02: the newest request carries it
    const oldest = [...this.attachments.values()].find(other => other.att !== this.sel.att)
    // HF1-ATT-04
    if (this.attachments.size >= MAX_ATTACHMENTS && !this.attachments.has(att)) this.endAttachment(oldest, 4004)
    this.attachments.set(att, attachment)
    this.highest = Math.max(this.highest, att)
    const maxBatch = Math.min(Math.max(lim.maxBatch ?? 65536, 2048), 1048576)
    Object.assign(attachment, { p: 0, lastReceived: Date.now(), maxBatch })
    if (u > this.sel.u) this.select(u, attachment) // HF1-SEL-01
    const fields = { v: 1, id: this.id, run: this.run, node: 'poll', att, recv: this.recv, sel: this.sel }
    const limits = { lim: { maxBatch: MAX_BATCH, maxMessage: MAX_MESSAGE }, win: WINDOW }
    const times = { ping: PING, hold: HOLD, ttl: TTL }
    write(this.head(recv), [line('opened', { ...fields, ...limits, ...times, challenge: attachment.challenge })])
  }

  up ({ address: { att }, controls }, write) {
    const attachment = this.attachments.get(att)
    if (attachment) attachment.lastReceived = Date.now()
    const use = controls.find(c => c.name === '!use')
    const gone = use && this.goneLines(use.fields.att) // HF1-ATT-03
    const extra = gone ? [] : this.act(controls, attachment)
    write(this.head(0), this.ended ?? gone ?? [this.reply(this.sent), ...extra])
  }

  act (controls, attachment) { // gives the lines that answer them
    for (const { name, fields } of controls) {
      const chosen = name === '!use' ? this.attachments.get(fields.att) : undefined
      const use = chosen && fields.u > this.sel.u && same(fields.challenge, chosen.challenge) // HF1-SEL-03
      const moved = use ? chosen : name === '!rewind' ? attachment : undefined
      for (const poll of moved?.polls ?? []) poll.recv = fields.recv // HF1-NUM-07
      if (use) this.select(fields.u, chosen)
      if (name === '!detach' && attachment) this.endAttachment(attachment, 4004) // HF1-ATT-02
    }
    return controls.filter(c => c.name === '!ping').map(c => line('pong', { i: c.fields.i })) // HF1-LIV-02
  }

  poll ({ address: { att, p, recv, hold }, controls, logs }, write, onClose) {
    const attachment = this.attachments.get(att)
    if (!attachment || this.ended) return write(this.head(recv), this.ended ?? this.goneLines(att))
    attachment.lastReceived = Date.now()
    const poll = { attachment, recv, write, extra: this.act(controls, attachment) }
    if (p < attachment.p) return this.answer(poll, { empty: true }) // HF1-POL-02
    if (p > attachment.p) { this.answerAll(attachment, { empty: true }); this.learnLoss(recv) } // HF1-POL-02
    attachment.p = p
    if (attachment.polls.push(poll) > MAX_COPIES) this.answer(attachment.polls[0], { empty: true })
    // HF1-POL-03; an unknown ? control does nothing, so neither does it end a poll
    if (logs.length || controls.some(c => c.known) || attachment.detachDue) return this.answer(poll)
    setTimeout(() => attachment.polls.includes(poll) && this.answer(poll), Math.min(HOLD, hold || HOLD))
    onClose(() => this.forget(poll)) // HF1-POL-06
    this.flush()
  }

  forget (poll) { // the timer of the poll then does nothing
    const { attachment } = poll
    attachment.polls = attachment.polls.filter(other => other !== poll)
  }

  flush () { // answers the polls of the selected attachment if there is a line, or an ack that is due
    const attachment = this.attachments.get(this.sel.att)
    if (!attachment) return
    const hasLine = attachment.polls.some(poll => this.top > Math.max(poll.recv, this.acked))
    if (this.ackDue || hasLine) this.answerAll(attachment)
  }

  answerAll (attachment, options) { // sent as it was before, so that copies get the same (HF1-POL-02)
    const { sent } = this
    for (const poll of [...attachment.polls]) this.answer(poll, { ...options, sent })
  }

  answer (poll, { empty = false, sent = this.sent } = {}) {
    this.forget(poll)
    const { attachment, recv, write, extra } = poll, head = this.head(recv)
    const gone = this.ended ?? this.goneLines(attachment.att)
    const lines = gone ?? [this.reply(sent), ...extra]
    if (attachment.detachDue && !gone) lines.push(line('detach', { code: 4001 })) // HF1-SEL-08
    attachment.detachDue = false
    if (!empty && !gone && this.sel.att === attachment.att) this.addLines(lines, recv, attachment.maxBatch, head)
    write(head, lines)
  }

  addLines (lines, recv, maxBatch, head) {
    const from = Math.max(recv, this.acked) // HF1-NUM-08, HF1-ATT-05
    let n = from, size = lines.reduce((sum, l) => sum + Buffer.byteLength(l) + 1, head.length + 1)
    for (; n < this.top; n++) {
      const { text } = this.log[n - this.acked]
      size += Buffer.byteLength(text) + 1
      // HF1-ATT-06, HF1-ATT-07: one line may always go
      if (n > from && size > Math.min(maxBatch, this.batchLimit)) break
      lines.push(text)
    }
    if (n > from) Object.assign(this, { sent: Math.max(this.sent, n), inFlight: { last: n, size } })
  }

  head (recv) { // HF1-NUM-06: acked + 1 is the lowest line held, so that it never looks like a gap
    Object.assign(this, { ackSent: this.taken, takenUnacked: 0, ackDue: false })
    return `@${Math.max(recv, this.acked) + 1} ${this.taken}`
  }

  reply (sent) { return line('reply', { recv: this.recv, sent, sel: this.sel }) } // HF1-SEL-05

  sweep (now) {
    if (now - this.lastReceived > TTL) return this.end(4201, 'expired') // HF1-LIV-08
    if (now - this.closed?.at > GRACE) return this.end(this.closed.code, this.closed.reason) // HF1-CLO-04
    for (const attachment of [...this.attachments.values()]) {
      if (now - attachment.lostAt > STANDBY) this.endAttachment(attachment, 4004) // HF1-SEL-08
      else if (now - attachment.lastReceived > HOLD + 2 * PING) this.endAttachment(attachment, 4002) // HF1-LIV-03
    }
    if (this.confirmed || now - this.createdAt <= NOT_REPEATED) return
    this.end(4201, 'not repeated')
    tombstones.delete(this.id) // HF1-WHO-10: dropped, and no tombstone
  }
}

setInterval(() => {
  for (const session of sessions.values()) session.sweep(Date.now())
  for (const [id, tombstone] of tombstones) if (Date.now() - tombstone.at > TOMBSTONE) tombstones.delete(id)
}, 250)
