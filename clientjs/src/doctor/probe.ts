// One transport's session, as plain as the protocol allows: it sends controls and one !close, and
// takes whatever messages the application has for it. And POSTs, with what can be seen of their
// answers.

import type { Kind } from '../carriers/carrier.js'
import type { WebSocketLike } from '../types.js'
import { randomName, wrap, type Packet } from '../wire/codec.js'
import type { Fields } from '../wire/control.js'
import { decode, describe, isTrouble, lookAtCaching, lookAtHeader, type Trouble } from './answer.js'
import { clean, took, type Findings, type TransportReport } from './report.js'

/** How long things may take, in milliseconds. */
export const waits = {
  open: 5000, // a handshake, an answer's header
  header: 3000, // a stream's, before it counts as held
  answer: 2500, // a control in answer to ours
  watch: 8000, // how long a path is seen to live
  longWatch: 70_000,
  ping: 1500,
  hold: 6000, // a poll's
  late: 1000, // beyond two round trips (HF1-SSE-03)
  close: 1000,
}

/** What all probes share. */
export interface Diagnosis {
  url: URL
  found: Findings
  fetch: typeof fetch
  WebSocket: (new (url: string) => WebSocketLike) | undefined
  credentials: RequestCredentials
  auth: unknown
  long: boolean
  /** Ends everything: the caller's abort, or the whole time. */
  signal: AbortSignal
  /** Milliseconds left, less what closing needs; at most `most`. */
  left(most: number): number
  progress(probe: Probe, text: string): void
  refused: boolean
}

/** A 200 whose header has come. */
export interface Answer {
  response: Response
  preamble: string
  sent: number
  abort(): void
}

export const ping = (i: number): string => `!ping {"i":${i}}\n`
export const pong = (i: number): string => `!pong {"i":${i}}\n`
export const closeLine = '!close {"code":4100,"reason":"diagnosed"}\n'
/** The numbers of the controls of that name. */
export const numbers = (packet: Packet, name: string): number[] =>
  packet._lines.filter((l) => l._name === name).map((l) => l._fields!.i)

export class Probe {
  readonly result: TransportReport
  readonly d: Diagnosis
  readonly key = randomName(32)
  readonly began = performance.now()
  opened: Fields | undefined
  att = 1
  polls = 0
  recv = 0
  /** The finding when the server could not read what was sent. */
  unread = 'reply-altered'
  judged = false
  private readonly waiting = new Set<() => void>()

  constructor(d: Diagnosis, name: TransportReport['name']) {
    this.d = d
    this.result = { name, state: 'fits', session: '', openedMs: -1, rttMs: -1, watchedMs: 0 }
  }

  /** Books a finding of this transport, which then does not fit. */
  find(id: string, evidence: string): void {
    const severity = this.d.found.find(id, `${this.result.name}: ${evidence}`)
    if (severity === 'note') return
    this.judged = true
    if (severity === 'fault') this.result.state = 'fails'
    else if (this.result.state === 'fits') this.result.state = 'impaired'
  }

  get failed(): boolean {
    return this.result.state === 'fails'
  }

  /** The whole time is used up: then what did not come proves nothing. */
  get spent(): boolean {
    return this.d.signal.aborted || this.d.left(1) === 0
  }

  /** How long an answer may take before it is late. */
  get responseTimeout(): number {
    return waits.late + 2 * Math.max(0, this.result.rttMs)
  }

  get maxBatch(): number {
    const limit = this.opened?.lim.maxBatch ?? 0
    return limit < 2048 ? 65536 : Math.min(limit, 1 << 20)
  }

  /** Something came or ended: whoever waits checks again. */
  notify(): void {
    for (const check of [...this.waiting]) check()
  }

  /** Waits until `done`, at most so many milliseconds. */
  until(ms: number, done: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const { signal } = this.d
      const finish = (ok: boolean) => {
        clearTimeout(timer)
        this.waiting.delete(check)
        signal.removeEventListener('abort', stop)
        resolve(ok)
      }
      const check = () => void (done() && finish(true))
      const stop = () => finish(false)
      const timer = setTimeout(stop, Math.max(0, ms))
      this.waiting.add(check)
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
      else check()
    })
  }

  /** A batch of controls, none of which has a number. */
  batch(...lines: string[]): string {
    return `@1 ${this.recv}\n${lines.join('')}`
  }

  open(att = this.att, u: number | undefined = 1): string {
    const { auth } = this.d
    const fields = { v: [1], key: this.key, att, u, recv: 0, lim: { maxBatch: 65536 }, auth }
    return `!open ${JSON.stringify(fields)}\n`
  }

  up(): string {
    return `!up ${JSON.stringify({ key: this.key, run: this.opened!.run, att: this.att })}\n`
  }

  poll(hold: number): string {
    const { key, att, recv } = this
    const fields = { key, run: this.opened!.run, att, p: ++this.polls, recv, hold: Math.round(hold) }
    return `!poll ${JSON.stringify(fields)}\n`
  }

  /** Acts on what every batch may have. False: a refusal, which is booked. */
  take(packet: Packet): boolean {
    const logs = packet._lines.filter((l) => l._log).length
    if (logs) this.recv = Math.max(this.recv, packet._first + logs - 1)
    for (const { _name, _fields } of packet._lines) {
      if (_name === '!opened') {
        this.opened = _fields!
        this.result.session = clean(_fields!.id, 64)
        if (this.result.openedMs < 0) this.result.openedMs = Math.round(performance.now() - this.began)
      }
      if (_name === '!refused') {
        const reason = clean(_fields!.reason, 40)
        if (/^(malformed|position|unknown)$/.test(reason))
          this.find(this.unread, `the server could not read what was sent to it: refused ${reason}`)
        else {
          this.d.refused = true
          this.find('server-refuses', `refused ${reason}, in answer to the first message`)
        }
        return false
      }
    }
    return true
  }

  /** Makes a POST and waits for the answer's header. */
  async send(kind: Kind, batch: string, wait: number, signal = this.d.signal): Promise<Answer | Trouble> {
    const preamble = `holdfast/1 ${kind} ${randomName(12)}\n`
    const controller = new AbortController()
    const abort = () => {
      signal.removeEventListener('abort', abort)
      controller.abort()
    }
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    let late = false
    const timer = setTimeout(() => {
      late = true
      abort()
    }, wait)
    const sent = performance.now()
    const { fetch, url, credentials } = this.d
    try {
      const response = await fetch(url.href, {
        method: 'POST',
        body: wrap(preamble, batch),
        headers: kind === 'stream' ? { Accept: 'text/event-stream' } : {},
        cache: 'no-store',
        credentials,
        redirect: 'manual', // not followed, and distinguished from a broken connection
        signal: controller.signal,
      })
      const answer = { response, preamble, sent, abort }
      const strange = await this.strange(answer)
      if (!strange) return answer
      abort()
      return strange
    } catch (error) {
      const { aborted } = signal
      abort()
      if (late)
        return { id: 'post-blackholed', evidence: `no answer to a request of kind ${kind} within ${took(wait)}` }
      if (aborted) return { id: '', evidence: '' }
      return this.brokenOff(error, performance.now() - sent)
    } finally {
      clearTimeout(timer)
    }
  }

  /** A request that had no answer at all. A page does not learn why. */
  private brokenOff(error: unknown, after: number): Trouble {
    const foreign = globalThis.location && location.origin !== this.d.url.origin
    const evidence = `${clean(String(error), 100)} after ${took(after)}; a browser does not tell more`
    if (this.opened) return { id: 'post-cut', evidence }
    return {
      id: 'unreachable',
      evidence: foreign ? `${evidence}. It may be that the server does not list this page's Origin` : evidence,
    }
  }

  /** Judges an answer by its header: undefined is one that may be ours. */
  private async strange({ response, sent }: Answer): Promise<Trouble | undefined> {
    const { status, headers } = response
    this.d.found.fact('first answer', `after ${took(performance.now() - sent)}`)
    lookAtHeader(this.d.found, response, sent)
    if (status === 200) return
    if (response.type === 'opaqueredirect')
      return { id: 'captive-portal', evidence: 'the answer is a redirect; a browser does not tell where to' }
    const body = await response.text().catch(() => '')
    const evidence = describe(response, body)
    const ours = body.startsWith('holdfast: ')
    if (status === 407) return { id: 'proxy-auth', evidence }
    if (status === 511) return { id: 'captive-portal', evidence }
    if (status >= 300 && status < 400) {
      const there = new URL(headers.get('Location') ?? '', this.d.url)
      return { id: there.hostname === this.d.url.hostname ? 'redirected' : 'captive-portal', evidence }
    }
    if ((!ours && (status === 404 || status === 405)) || status === 501) return { id: 'not-holdfast', evidence }
    return { id: status === 413 ? 'size-cap' : 'post-refused', evidence }
  }

  /** Makes a POST, reads its answer and takes it. */
  async post(kind: Kind, batch: string, wait: number): Promise<Packet | Trouble> {
    const packet = await this.exchange(kind, batch, wait)
    return !isTrouble(packet) && !this.take(packet) ? { id: '', evidence: '' } : packet // take has booked it
  }

  /** Makes a POST and reads its answer whole. */
  async exchange(kind: Kind, batch: string, wait: number): Promise<Packet | Trouble> {
    const { signal } = this.d
    const began = performance.now()
    const answer = await this.send(kind, batch, wait)
    if ('id' in answer) return answer
    let late = false
    const timer = setTimeout(
      () => {
        late = true
        answer.abort()
      },
      Math.max(1, wait - (performance.now() - began)),
    )
    let text = ''
    try {
      text = await answer.response.text()
    } catch (error) {
      if (!late && signal.aborted) return { id: '', evidence: '' }
      return {
        id: 'reply-truncated',
        evidence: `the answer did not come whole: ${late ? `not within ${took(wait)}` : clean(String(error), 100)}`,
      }
    } finally {
      clearTimeout(timer)
      answer.abort() // it has come, or is of no use
    }
    const packet = decode(text, answer.preamble)
    if (!isTrouble(packet)) lookAtCaching(this.d.found, this.d.url, answer.response.headers)
    return packet
  }

  /** Books what went wrong. */
  trouble({ id, evidence }: Trouble): void {
    if (id) this.find(id, evidence)
  }

  /** Closes the session. If this fails the server forgets it by itself. */
  async bye(): Promise<void> {
    if (!this.opened) return
    const own = new AbortController() // the diagnosis itself may be over
    const answer = await this.send('up', this.batch(this.up(), closeLine), waits.close, own.signal)
    if (!('id' in answer)) answer.abort()
  }
}
