// WebSockets: the handshake, the first frames, life under pings, large frames. A page learns
// little of a handshake that fails: no status and no header. What it learns is in the evidence.

import type { WebSocketLike } from '../types.js'
import { batchOf, isTrouble } from './answer.js'
import { padded, tries } from './poll.js'
import { closeLine, numbers, ping, pong, Probe, waits } from './probe.js'
import { clean, took } from './report.js'

class Socket {
  readonly p: Probe
  private readonly ws: WebSocketLike
  private readonly dialled = performance.now()
  born = 0
  isOpen = false
  dead = false
  over = false
  cut = false
  private why = ''
  private readonly pongs = new Set<number>()
  pings = 0
  lastUsed = 0

  constructor(p: Probe) {
    this.p = p
    this.ws = new p.d.WebSocket!('ws' + p.d.url.href.slice(4))
    this.ws.binaryType = 'arraybuffer'
    this.ws.onopen = () => {
      this.isOpen = true
      this.born = this.lastUsed = performance.now()
      p.notify()
    }
    this.ws.onmessage = ({ data }: { data: unknown }) => this.take(String(data))
    this.ws.onclose = ({ code, reason }: { code: number; reason: string }) =>
      this.end(`closed ${code}${reason ? ` “${clean(reason, 60)}”` : ''}`)
    this.ws.onerror = () => {} // a close follows and has more to say
  }

  private end(why: string): void {
    if (!this.dead) this.why = why
    this.dead = true
    this.p.notify()
  }

  private take(data: string): void {
    this.lastUsed = performance.now()
    const packet = batchOf(data, 'a frame')
    if (isTrouble(packet)) this.p.find('ws-altered', packet.evidence)
    else if (this.p.take(packet)) {
      for (const i of numbers(packet, '!pong')) this.pongs.add(i)
      for (const i of numbers(packet, '!ping')) this.sendLines(pong(i))
      if (packet._lines.some((l) => l._name === '!closed')) this.over = true
    }
    this.p.notify()
  }

  sendLines(...lines: string[]): void {
    this.send(this.p.batch(...lines))
  }

  send(batch: string): void {
    try {
      this.ws.send(batch)
      this.lastUsed = performance.now()
    } catch {
      // it is closing: its end will show why
    }
  }

  /** Waits until `done`, the end of the socket, or a finding that decides it. */
  async until(ms: number, done: () => boolean): Promise<boolean> {
    await this.p.until(ms, () => done() || this.dead || this.p.failed)
    return done()
  }

  /** Waits for a pong. */
  sees(i: number, ms: number): Promise<boolean> {
    return this.until(ms, () => this.pongs.has(i))
  }

  get age(): number {
    return performance.now() - this.born
  }

  /** Waits for the handshake. False: why not is booked. */
  async open(): Promise<boolean> {
    const wait = this.p.d.left(waits.open)
    if (await this.until(wait, () => this.isOpen)) return true
    const after = took(performance.now() - this.dialled)
    if (this.p.spent) return false
    if (this.dead)
      this.p.find(
        'ws-refused',
        `${this.why} after ${after}, before it was open; a browser does not tell the answer's status`,
      )
    else this.p.find('ws-blackholed', `no answer to the handshake within ${after}`)
    return false
  }

  /** Opens the session on the socket and sees a ping there and back. */
  async openSession(): Promise<boolean> {
    const { p } = this
    this.sendLines(p.open())
    if (await this.until(p.d.left(waits.answer), () => !!p.opened)) return this.ping()
    if (p.spent || p.failed) return false
    if (this.dead) return this.reportCut(", before the server's first word")
    // The loss of one frame must not be taken for more (HF1-WSK-04). A second one shows which it
    // was.
    this.sendLines(ping(1))
    p.unread = 'ws-first-frame'
    const got = await this.until(p.d.left(waits.answer), () => this.pongs.has(1))
    if (p.opened && !got && (await this.oneBehind()))
      p.find(
        'ws-one-behind',
        'the answer to the first frame came when a second was sent, the answer to that when a third was',
      )
    else if (p.opened) p.find('ws-silent', `the answer to the first frame came later than ${took(waits.answer)}`)
    else if (got) p.find('ws-first-frame', 'the answer to the second frame came, the answer to the first did not')
    else if (p.spent || p.failed) return false
    else if (this.dead) return this.reportCut(", before the server's first word")
    else p.find('ws-swallowed', `it opened, then no frame came within ${took(this.age)}, though two were sent`)
    return false
  }

  /**
   * Looks whether the answer to the second frame comes with the answer to a third, which does not
   * come.
   */
  private async oneBehind(): Promise<boolean> {
    this.sendLines(ping(2))
    await this.until(this.p.d.left(this.p.responseTimeout), () => this.pongs.has(2))
    return this.pongs.has(1) && !this.pongs.has(2)
  }

  async ping(): Promise<boolean> {
    const { p } = this
    const i = ++this.pings
    const sent = performance.now()
    this.sendLines(ping(i))
    if (await this.until(waits.answer + p.responseTimeout, () => this.pongs.has(i))) {
      if (p.result.rttMs < 0) p.result.rttMs = Math.round(performance.now() - sent)
      return true
    }
    const after = took(performance.now() - sent)
    if (p.spent || p.failed || this.over) return false
    if (this.dead) return this.reportCut('')
    if (i === 1) p.find('ws-swallowed', `the answer to the first frame came, and none to a ping within ${after}`)
    else
      p.find('ws-silent', `no answer to a ping within ${after}, at an age of ${took(this.age)}; no end was seen either`)
    return false
  }

  private reportCut(when: string): false {
    this.cut = true
    this.p.find('ws-killed', `cut ${took(this.age)} after the handshake${when}: ${this.why}`)
    return false
  }

  get how(): string {
    return this.why
  }

  /** Pings the socket for a while. False: it did not live. */
  async watch(total: number): Promise<boolean> {
    for (const end = performance.now() + total; performance.now() < end;) {
      await this.until(Math.min(waits.ping, end - performance.now()), () => false)
      if (this.p.spent || this.p.failed) return false
      if (this.dead) return this.reportCut('')
      if (!(await this.ping())) return false
      this.p.result.watchedMs = Math.round(this.age)
    }
    return true
  }

  /** Closes the session, if it lives, and the socket. */
  async close(alive: boolean): Promise<void> {
    if (alive && !this.dead) {
      this.sendLines(closeLine)
      await this.until(waits.close, () => this.over)
    }
    this.ws.onclose = this.ws.onmessage = this.ws.onopen = null
    try {
      this.ws.close(1000)
    } catch {
      // it never was open
    }
    if (!alive && this.p.opened) await this.p.bye()
  }
}

/** Tries a WebSocket. */
export async function trySocket(p: Probe): Promise<void> {
  if (!p.d.WebSocket) {
    p.find('ws-refused', 'this browser has no WebSocket')
    return
  }
  const s = dial(p)
  if (!s) return
  if (!(await s.open())) return s.close(false)
  p.d.progress(p, 'The handshake passes.')
  let lives = await s.openSession()
  if (lives) {
    p.d.progress(p, 'A session is open; watching it live.')
    lives = await s.watch(p.d.left(waits.watch))
  }
  await s.close(lives)
  if (!lives && s.cut && p.opened) await again(p)
  if (lives && !p.failed) {
    p.d.progress(p, 'Trying large frames.')
    await largeFrames(p)
    if (p.d.long) {
      p.d.progress(p, 'Watching a busy and a quiet one for a minute.')
      await longSockets(p)
    }
  }
}

/** The constructor throws where a policy of the page forbids the address. */
function dial(p: Probe): Socket | undefined {
  try {
    return new Socket(p)
  } catch (error) {
    p.find('ws-refused', `not even tried: ${clean(String(error), 100)}`)
    return
  }
}

/**
 * Opens a second socket where the first was cut: one death may be chance. The evidence of both is
 * kept.
 */
async function again(p: Probe): Promise<void> {
  if (p.d.left(60_000) < 2000) return
  const q = new Probe(p.d, p.result.name)
  const s = dial(q)
  if (!s) return
  const lives = (await s.open()) && (await s.openSession()) && (await s.watch(p.d.left(waits.watch / 2)))
  if (lives) p.find('ws-killed', `a second one lived for ${took(s.age)}`)
  await s.close(lives)
}

/**
 * Sends frames as large as the server takes them, and smaller ones until one passes: each on a
 * socket of its own, since one that does not pass ends it.
 */
async function largeFrames(p: Probe): Promise<void> {
  for (const size of tries(p.maxBatch)) {
    if (p.d.left(60_000) < 2000) return
    const q = new Probe(p.d, p.result.name)
    const s = dial(q)
    if (!s) return
    if (!(await s.open()) || !(await s.openSession())) return s.close(false)
    s.send(padded(size, 1000))
    const passed = await s.sees(1000, p.d.left(waits.answer + q.responseTimeout))
    const evidence = s.dead ? `ended the socket: ${s.how}` : `had no answer within ${took(waits.answer)}`
    await s.close(passed)
    if (passed) return p.d.found.fact('largest frame that passed', `${size} bytes`)
    if (p.spent) return
    p.find('size-cap', `a frame of ${size} bytes ${evidence}`)
  }
}

/** How a path was seen to end. */
export interface Life {
  age: number
  /** Since something went either way. */
  quiet: number
  cut: boolean
  why: string
}

/** Judges two paths of one transport, one busy and one quiet, that were watched for as long. */
export function compare(p: Probe, busy: Life, quiet: Life): void {
  const both = busy.cut && quiet.cut && Math.abs(busy.age - quiet.age) < 2000
  if (busy.cut)
    p.find(
      'age-limit',
      `${both ? 'a busy and a quiet connection were both' : 'a busy connection was'} cut ` +
        `at an age of ${took(busy.age)}: ${busy.why}`,
    )
  if (quiet.cut && !both)
    p.find(
      'idle-cut',
      `a connection was cut after ${took(quiet.quiet)} of silence, at an age of ${took(quiet.age)}: ${quiet.why}`,
    )
  p.d.found.fact(`${p.result.name}: longest life seen`, took(Math.max(busy.age, quiet.age)))
  p.d.found.untested(
    `silences longer than the server's ping (${took(p.opened?.ping ?? 0)}) and ages above ${took(waits.longWatch)}`,
  )
}

async function longSockets(p: Probe): Promise<void> {
  const [busy, quiet] = await Promise.all([lifeOf(p, true), lifeOf(p, false)])
  compare(p, busy, quiet)
}

async function lifeOf(p: Probe, busy: boolean): Promise<Life> {
  const q = new Probe(p.d, p.result.name)
  const s = dial(q)
  const life = { age: 0, quiet: 0, cut: false, why: '' }
  if (!s) return life
  let lives = (await s.open()) && (await s.openSession())
  for (const end = performance.now() + p.d.left(waits.longWatch); lives && performance.now() < end && !p.spent;) {
    await s.until(Math.min(busy ? waits.ping : 1e9, end - performance.now()), () => false)
    lives = !s.dead && !q.failed
    if (lives && busy) s.sendLines(ping(++s.pings))
  }
  if (s.isOpen) life.age = s.age
  life.quiet = performance.now() - s.lastUsed
  life.cut = s.dead && !s.over && !p.spent
  life.why = s.how
  await s.close(!life.cut && lives)
  return life
}
