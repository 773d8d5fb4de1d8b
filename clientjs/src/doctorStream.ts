// Event streams: the beacons, pings by POST beside the stream, its life. The times at which things come are the evidence.

import { batchOf, decode, isTrouble, lookAtCaching, numbers, ping, pong, Probe, waits, type Answer, type Trouble } from './doctorProbe.js'
import { compare, type Life } from './doctorSocket.js'
import { clean, took } from './doctorReport.js'
import { heldWhole, whatHolds } from './doctorHeld.js'

/** An event stream that is being read. What came and when is kept. */
export class Stream {
  readonly p: Probe
  readonly born: number
  readonly seen = new Map<string, number>()
  private readonly often = new Map<string, number>()
  private readonly answer: Answer
  bytes = 0
  heard: number
  dead = false
  over = false
  pinged = false
  private why = 'as if it were complete'
  private owed: number[] = []
  private done: Promise<void>

  constructor(p: Probe, answer: Answer) {
    this.p = p
    this.answer = answer
    this.born = answer.sent
    this.heard = performance.now()
    this.see('header')
    this.done = this.read().catch((error: unknown) => {
      this.why = clean(String(error), 100)
    })
    void this.done.then(() => {
      this.dead = true
      p.stir()
    })
  }

  /** Takes the stream apart at its blank lines. A tail without one is no event (HF1-SSE-04). */
  private async read(): Promise<void> {
    const reader = this.answer.response.body!.getReader()
    const decoder = new TextDecoder()
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      text += decoder.decode(value, { stream: !done })
      this.bytes += value?.length ?? 0
      const events = text.split(/\n\r?\n/)
      text = events.pop()!
      for (const event of events) this.event(event)
      if (text.length > 1 << 20) throw Error('an event without end')
      this.p.stir()
      if (done) {
        if (text && !this.seen.has('first')) this.event(text) // for what is no event stream
        return
      }
    }
  }

  private event(text: string): void {
    let data = [...text.matchAll(/^data: ?([^\r\n]*)/gm)].map((m) => m[1] + '\n').join('')
    this.heard = performance.now()
    if (!data && this.seen.has('first')) return
    if (!data && /^(:[^\n]*\n?)*$/.test(text)) return // a comment
    data ||= text
    const packet = this.seen.has('first') ? batchOf(data.replace(/\.\n?$/, ''), 'an event') : decode(data, this.answer.preamble)
    if (isTrouble(packet)) {
      if (packet.id !== 'reply-truncated') streamTrouble(this.p, packet) // that is the tail of a stream that was cut
      return
    }
    if (!this.seen.has('first')) lookAtCaching(this.p.d, this.answer.response.headers)
    this.see('first')
    if (!this.p.take(packet)) return
    if (packet._lines.some((l) => l._name === '!opened')) this.see('opened')
    if (packet._lines.some((l) => l._name === '!closed')) this.over = true
    for (const i of numbers(packet, '?beacon')) this.see(`beacon ${i}`)
    for (const i of numbers(packet, '!pong')) this.see(`pong ${i}`)
    this.owed.push(...numbers(packet, '!ping'))
  }

  private see(what: string): void {
    if (!this.seen.has(what)) this.seen.set(what, performance.now())
    this.often.set(what, (this.often.get(what) ?? 0) + 1)
  }

  has(what: string): boolean {
    return this.seen.has(what)
  }

  twice(what: string): boolean {
    return this.often.get(what)! > 1
  }

  /** What came and when, in a line. */
  times(...what: string[]): string {
    return what.map((w) => (this.has(w) ? `${w} after ${took(this.seen.get(w)! - this.born)}` : `${w} not at all`)).join(', ')
  }

  /** Waits until `done`, the end of the stream, or a finding that settles it. */
  async until(ms: number, done: () => boolean): Promise<boolean> {
    await this.p.until(ms, () => done() || this.dead || this.p.failed)
    return done()
  }

  comes(what: string, ms: number): Promise<boolean> {
    return this.until(ms, () => this.has(what))
  }

  /** The stream is over, or looking on is of no use. */
  get settled(): boolean {
    return this.dead || this.p.failed || this.p.spent
  }

  get owes(): boolean {
    return this.owed.length > 0
  }

  /** Has the server say a pong on the stream. False: the POST itself did not pass. */
  async ping(i: number): Promise<boolean> {
    const { p } = this
    const answers = this.owed.map(pong)
    this.owed = []
    this.pinged = true
    const sent = performance.now()
    const answer = await p.post('up', p.batch(p.up(), ping(i), ...answers), p.d.left(waits.speak + p.patience))
    if (isTrouble(answer)) {
      p.trouble(answer)
      return false
    }
    this.heard = performance.now()
    if (p.result.rttMs < 0) p.result.rttMs = Math.round(performance.now() - sent)
    return true
  }

  get age(): number {
    return performance.now() - this.born
  }

  get how(): string {
    return this.why
  }

  ended(): void {
    this.p.find('sse-cut', `the stream ended ${took(this.age)} after the request: ${this.why}`)
  }

  /** Closes the session and the stream. */
  async close(): Promise<void> {
    if (!this.over) await this.p.bye()
    this.answer.abort()
    await this.done
  }
}

/** Books why there is no stream. */
function streamTrouble(p: Probe, { id, evidence }: Trouble): void {
  p.trouble({ id: id === 'post-refused' ? 'sse-refused' : id, evidence })
}

/** Tries an event stream. */
export async function tryStream(p: Probe): Promise<void> {
  const own = new AbortController()
  const stop = () => own.abort()
  p.d.signal.addEventListener('abort', stop)
  if (p.d.signal.aborted) stop()
  let answer: Answer | Trouble | undefined
  const asked = p.send('stream', p.batch(p.open()), p.d.left(1e9), own.signal).then((a) => {
    answer = a
    p.stir()
  })
  await p.until(p.d.left(waits.header), () => !!answer)
  if (!answer) {
    if (!p.spent) await heldWhole(p, () => !!answer && !('id' in answer))
    stop()
    await asked
    return
  }
  if ('id' in answer) return streamTrouble(p, answer)
  const s = new Stream(p, answer)
  if ((await answered(s)) && (await live(s))) {
    p.d.progress(p, 'The stream is live; watching it.')
    if ((await watch(s, p.d.left(waits.watch))) && p.d.long) {
      p.d.progress(p, 'Watching a busy and a quiet one for a minute.')
      const [busy, quiet] = await Promise.all([lifeOf(p, true), lifeOf(p, false)])
      compare(p, busy, quiet)
    }
  }
  await s.close()
}

/** Waits for the first event. False: what came instead is booked. */
async function answered(s: Stream): Promise<boolean> {
  if (await s.comes('opened', s.p.d.left(waits.speak))) return true
  if (s.p.failed || s.p.spent) return false
  if (s.dead) s.p.find('sse-cut', `the stream ended ${took(s.age)} after the request, before its first event`)
  else await whatHolds(s)
  return false
}

/** Tells whether events pass as they are sent (HF1-SSE-02, HF1-SSE-03). False: why not is booked. */
async function live(s: Stream): Promise<boolean> {
  const { p } = s
  const rtt = s.seen.get('opened')! - s.born // for now
  const by = s.seen.get('opened')! + 300 + waits.late + 2 * rtt - performance.now()
  const passes = (await s.comes('beacon 2', by)) && (await s.ping(1)) && (await s.comes('pong 1', p.patience))
  if (!passes && !s.settled) {
    p.d.progress(p, 'Something holds the stream back; finding out how.')
    await whatHolds(s)
    return false
  }
  if (passes && (await s.until(250, () => s.twice('pong 1')))) p.find('request-repeated', 'one ping was sent by POST, and the server answered it twice')
  return !p.failed
}

/** Pings by POST and reads the stream for a while. False: it did not live. */
async function watch(s: Stream, total: number): Promise<boolean> {
  const { p } = s
  const end = performance.now() + total
  for (let i = 2; ; i++) {
    await s.until(Math.min(waits.ping, end - performance.now()), () => false)
    if (p.failed || p.spent) return false
    if (s.dead) {
      s.ended()
      return false
    }
    if (performance.now() >= end) return true
    if (!(await s.ping(i))) return false
    await s.comes(`pong ${i}`, waits.speak)
    if (s.settled) continue // the next turn books it
    if (!s.has(`pong ${i}`)) {
      p.find('sse-silent', `${took(s.age)} after the request the stream fell silent: a ping was taken, its pong did not come within ${took(waits.speak)}`)
      return false
    }
    p.result.watchedMs = Math.round(s.age)
  }
}

async function lifeOf(p: Probe, busy: boolean): Promise<Life> {
  const q = new Probe(p.d, p.result.name)
  const life = { age: 0, quiet: 0, cut: false, why: '' }
  const answer = await q.send('stream', q.batch(q.open()), p.d.left(waits.open))
  if ('id' in answer) return life
  const s = new Stream(q, answer)
  await s.comes('opened', waits.speak)
  const end = performance.now() + p.d.left(waits.longWatch)
  for (let i = 1; q.opened && performance.now() < end && !s.settled; i++) {
    await s.until(Math.min(busy ? waits.ping : 1e9, end - performance.now()), () => s.owes)
    if (s.settled) break
    // A quiet one answers pings, else the server ends it (HF1-LIV-03).
    if ((busy || s.owes) && !(await s.ping(i))) break
  }
  life.age = s.age
  life.quiet = performance.now() - s.heard
  life.cut = s.dead && !s.over && !p.spent
  life.why = s.how
  await s.close()
  return life
}
