// An event stream that is read. The times at which things come are the evidence.

import { batchOf, decode, isTrouble, lookAtCaching, type Trouble } from './answer.js'
import { numbers, ping, pong, waits, type Answer, type Probe } from './probe.js'
import { clean, took } from './report.js'

/** An event stream that is being read. What came and when is kept. */
export class Stream {
  readonly p: Probe
  readonly born: number
  readonly seen = new Map<string, number>()
  private readonly often = new Map<string, number>()
  private readonly answer: Answer
  bytes = 0
  lastReceived: number
  dead = false
  over = false
  pinged = false
  private why = 'as if it were complete'
  private unanswered: number[] = []
  private done: Promise<void>

  constructor(p: Probe, answer: Answer) {
    this.p = p
    this.answer = answer
    this.born = answer.sent
    this.lastReceived = performance.now()
    this.see('header')
    this.done = this.read().catch((error: unknown) => {
      this.why = clean(String(error), 100)
    })
    void this.done.then(() => {
      this.dead = true
      p.notify()
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
      this.p.notify()
      if (done) {
        if (text && !this.seen.has('first')) this.event(text) // for what is no event stream
        return
      }
    }
  }

  private event(text: string): void {
    let data = [...text.matchAll(/^data: ?([^\r\n]*)/gm)].map((m) => m[1] + '\n').join('')
    this.lastReceived = performance.now()
    if (!data && this.seen.has('first')) return
    if (!data && /^(:[^\n]*\n?)*$/.test(text)) return // a comment
    data ||= text
    const packet = this.seen.has('first')
      ? batchOf(data.replace(/\.\n?$/, ''), 'an event')
      : decode(data, this.answer.preamble)
    if (isTrouble(packet)) {
      if (packet.id !== 'reply-truncated') streamTrouble(this.p, packet) // that is the tail of a stream that was cut
      return
    }
    if (!this.seen.has('first')) lookAtCaching(this.p.d.found, this.p.d.url, this.answer.response.headers)
    this.see('first')
    if (!this.p.take(packet)) return
    if (packet._lines.some((l) => l._name === '!opened')) this.see('opened')
    if (packet._lines.some((l) => l._name === '!closed')) this.over = true
    for (const i of numbers(packet, '?beacon')) this.see(`beacon ${i}`)
    for (const i of numbers(packet, '!pong')) this.see(`pong ${i}`)
    this.unanswered.push(...numbers(packet, '!ping'))
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
    return what
      .map((w) => (this.has(w) ? `${w} after ${took(this.seen.get(w)! - this.born)}` : `${w} not at all`))
      .join(', ')
  }

  /** Waits until `done`, the end of the stream, or a finding that decides it. */
  async until(ms: number, done: () => boolean): Promise<boolean> {
    await this.p.until(ms, () => done() || this.dead || this.p.failed)
    return done()
  }

  comes(what: string, ms: number): Promise<boolean> {
    return this.until(ms, () => this.has(what))
  }

  /** The stream is over, or looking on is of no use. */
  get finished(): boolean {
    return this.dead || this.p.failed || this.p.spent
  }

  get owesPongs(): boolean {
    return this.unanswered.length > 0
  }

  /** Has the server send a pong on the stream. False: the POST itself did not pass. */
  async ping(i: number): Promise<boolean> {
    const { p } = this
    const answers = this.unanswered.map(pong)
    this.unanswered = []
    this.pinged = true
    const sent = performance.now()
    const answer = await p.post('up', p.batch(p.up(), ping(i), ...answers), p.d.left(waits.answer + p.responseTimeout))
    if (isTrouble(answer)) {
      p.trouble(answer)
      return false
    }
    this.lastReceived = performance.now()
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
export function streamTrouble(p: Probe, { id, evidence }: Trouble): void {
  p.trouble({ id: id === 'post-refused' ? 'sse-refused' : id, evidence })
}
