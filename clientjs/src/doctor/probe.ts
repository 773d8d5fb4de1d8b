// One transport's session, as plain as the protocol allows: it sends controls and one !close, and takes whatever messages
// the application has for it. And POSTs, with what can be told of their answers.

import { parse, randomName, wrap, type Packet } from '../wire/codec.js'
import { clean, took, type Findings, type TransportReport } from './report.js'
import type { Fields } from '../wire/control.js'
import type { Kind } from '../carriers/carrier.js'
import type { WebSocketLike } from '../types.js'

/** How long things may take, in milliseconds. */
export const waits = {
  open: 5000, // a handshake, an answer's header
  header: 3000, // a stream's, before it counts as held
  speak: 2500, // a word in answer to ours
  watch: 8000, // how long a path is seen to live
  longWatch: 70_000,
  ping: 1500,
  hold: 6000, // a poll's
  late: 1000, // beyond two round trips (HF1-SSE-03)
  close: 1000,
}

/** What went wrong with a request: a finding in the making. Without an id: the time was over, or it is booked. */
export interface Trouble {
  id: string
  evidence: string
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
  progress(probe: Probe, words: string): void
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
export const isTrouble = (trouble: Trouble | Packet): trouble is Trouble => 'id' in trouble

/** The numbers of the controls of that name. */
export const numbers = (packet: Packet, name: string): number[] =>
  packet._lines.filter((l) => l._name === name).map((l) => l._fields!.i)

const looksLikePage = (text: string) => /<html|<!doctype html/i.test(text.slice(0, 1024))

/** Shows the beginning of what a stranger sent: of a page its title. */
export function quote(text: string): string {
  const title = /<title[^>]*>([^]*?)<\/title>/i.exec(text)?.[1]
  return title != null ? `page with the title “${clean(title, 80)}”` : `“${clean(text.slice(0, 400), 80)}”`
}

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
  get patience(): number {
    return waits.late + 2 * Math.max(0, this.result.rttMs)
  }

  get maxBatch(): number {
    const told = this.opened?.lim.maxBatch ?? 0
    return told < 2048 ? 65536 : Math.min(told, 1 << 20)
  }

  /** Something came or ended: those who wait look again. */
  stir(): void {
    for (const look of [...this.waiting]) look()
  }

  /** Waits until `done`, at most so many milliseconds. */
  until(ms: number, done: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const { signal } = this.d
      const finish = (ok: boolean) => {
        clearTimeout(timer)
        this.waiting.delete(look)
        signal.removeEventListener('abort', stop)
        resolve(ok)
      }
      const look = () => void (done() && finish(true))
      const stop = () => finish(false)
      const timer = setTimeout(stop, Math.max(0, ms))
      this.waiting.add(look)
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
      else look()
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
    return `!poll ${JSON.stringify({ key, run: this.opened!.run, att, p: ++this.polls, recv, hold: Math.round(hold) })}\n`
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
        redirect: 'manual', // not followed, and told from a broken connection
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
      if (late) return { id: 'post-blackholed', evidence: `no answer to a request of kind ${kind} within ${took(wait)}` }
      if (aborted) return { id: '', evidence: '' }
      return this.brokenOff(error, performance.now() - sent)
    } finally {
      clearTimeout(timer)
    }
  }

  /** A request that had no answer at all. A page is not told why. */
  private brokenOff(error: unknown, after: number): Trouble {
    const foreign = globalThis.location && location.origin !== this.d.url.origin
    const evidence = `${clean(String(error), 100)} after ${took(after)}; a browser does not tell more`
    if (this.opened) return { id: 'post-cut', evidence }
    return { id: 'unreachable', evidence: foreign ? `${evidence}. It may be that the server does not list this page's Origin` : evidence }
  }

  /** Judges an answer by its header: undefined is one that may be ours. */
  private async strange({ response, sent }: Answer): Promise<Trouble | undefined> {
    const { status, headers } = response
    this.d.found.fact('first answer', `after ${took(performance.now() - sent)}`)
    lookAtHeader(this.d, response, sent)
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
    const timer = setTimeout(() => {
      late = true
      answer.abort()
    }, Math.max(1, wait - (performance.now() - began)))
    let text = ''
    try {
      text = await answer.response.text()
    } catch (error) {
      if (!late && signal.aborted) return { id: '', evidence: '' }
      return { id: 'reply-truncated', evidence: `the answer did not come whole: ${late ? `not within ${took(wait)}` : clean(String(error), 100)}` }
    } finally {
      clearTimeout(timer)
      answer.abort() // it has come, or is of no use
    }
    const packet = decode(text, answer.preamble)
    if (!isTrouble(packet)) lookAtCaching(this.d, answer.response.headers)
    return packet
  }

  /** Books what went wrong. */
  trouble({ id, evidence }: Trouble): void {
    if (id) this.find(id, evidence)
  }

  /** Closes the session. What is not heard of it any more, the server forgets by itself. */
  async bye(): Promise<void> {
    if (!this.opened) return
    const own = new AbortController() // the diagnosis itself may be over
    const answer = await this.send('up', this.batch(this.up(), closeLine), waits.close, own.signal)
    if (!('id' in answer)) answer.abort()
  }
}

/** Takes a body, or the data of a stream's first event, for what it is. */
export function decode(text: string, preamble: string): Packet | Trouble {
  const [first = '', ...rest] = text.replace(/^\ufeff/, '').replace(/\r\n/g, '\n').split('\n')
  const body = rest.join('\n')
  const end = body.search(/(^|\n)\.\n?$/)
  const shown = quote(text)
  if (!text) return { id: 'reply-truncated', evidence: 'an answer with status 200 and an empty body' }
  if (!first.startsWith('holdfast/1 ')) {
    if (looksLikePage(text)) return { id: 'captive-portal', evidence: `status 200, and a web page in place of the answer: ${shown}` }
    if (text.includes('holdfast/1 ')) return { id: 'reply-altered', evidence: `the answer does not begin as it should: ${shown}` }
    return { id: 'not-holdfast', evidence: `status 200, and the answer begins: ${shown}` }
  }
  if (end < 0) return { id: 'reply-truncated', evidence: `${text.length} bytes of an answer came, without its end line` }
  if (first + '\n' !== preamble) {
    const [, asked] = preamble.split(' ')
    const [, kind = ''] = first.split(' ')
    return { id: 'reply-reused', evidence: `asked for ${asked}, got the answer to another request (of kind ${clean(kind, 10)})` }
  }
  return batchOf(body.slice(0, end + 1), 'the answer')
}

/** Reads a batch. */
export function batchOf(text: string, what: string): Packet | Trouble {
  try {
    return parse(text, 1 << 21)
  } catch {
    return { id: 'reply-altered', evidence: `${what} cannot be read: ${quote(text)}` }
  }
}

/** Puts an answer in a line: what can be told to anybody, so no cookie and no query. */
function describe({ status, statusText, headers }: Response, body: string): string {
  const parts = [`status ${status} ${clean(statusText, 40)}`.trim()]
  for (const name of ['Server', 'Via', 'X-Cache', 'Retry-After']) {
    const value = headers.get(name)
    if (value) parts.push(`${name}: ${clean(value, 60)}`)
  }
  const location = headers.get('Location')
  if (location) parts.push(`Location: ${clean(location.replace(/[?#].*/, ''), 80)}`)
  if (body.trim() && (status < 300 || status > 399)) parts.push(quote(body)) // a redirect's repeats the address
  return parts.join(', ')
}

/** Headers that the server never sends: whoever adds one stands in between. A page sees them of its own origin only. */
const relays = [
  'Via', 'Age', 'X-Cache', 'X-Cache-Hits', 'X-Served-By', 'X-Varnish', 'X-Forwarded-For', 'Cf-Ray', 'X-Amz-Cf-Id', 'X-Azure-Ref',
  'X-Squid-Error', 'X-Bluecoat-Via', 'X-Zscaler-Transaction-Id',
]

const maxSkew = 90_000

/** Notes what the header of an answer tells of those in between. Any answer will do. */
function lookAtHeader({ found }: Diagnosis, { status, headers }: Response, sent: number): void {
  for (const name of relays) {
    const value = headers.get(name)
    if (value) found.find('intermediary', `${name}: ${clean(value, 80)}`)
  }
  const server = headers.get('Server')
  if (server) found.fact('Server header', clean(server, 80))
  const coding = headers.get('Content-Encoding')
  if (status === 200 && coding && coding !== 'identity') found.find('transformed', `Content-Encoding: ${clean(coding, 20)}`)
  const rtt = performance.now() - sent
  const date = Date.parse(headers.get('Date') ?? '')
  const skew = date - (Date.now() - rtt / 2)
  if (Math.abs(skew) > maxSkew + rtt) // NaN is not
    found.find('clock-skew', `the server's Date is ${Math.round(Math.abs(skew) / 1000)} s ${skew < 0 ? 'behind' : 'ahead of'} this device's clock`)
}

/** Notes what is missing from the header of an answer that is the server's. */
export function lookAtCaching({ found, url }: Diagnosis, headers: Headers): void {
  const cache = headers.get('Cache-Control') ?? ''
  for (const word of ['no-store', 'no-transform'])
    if (!cache.includes(word)) found.find('headers-stripped', `Cache-Control: ${word} is missing from an answer of the server's`)
  const same = !globalThis.location || location.origin === url.origin
  if (same && headers.get('X-Content-Type-Options') !== 'nosniff')
    found.find('headers-stripped', "X-Content-Type-Options: nosniff is missing from an answer of the server's")
}
