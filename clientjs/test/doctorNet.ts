// A Holdfast server as small as a diagnosis needs, and a network in front of it that a test makes
// hostile.
import { opened } from './fakeNet.js'
import type { WebSocketLike } from '../src/types.js'

/** What a network does. Everything may be left out: then it passes. */
export interface Network {
  /**
   * Answers a POST in the server's place, or changes its answer. `kind` is the word in its body.
   */
  post?(kind: string, body: string, ask: () => Promise<Response>, signal: AbortSignal): Promise<Response>
  /**
   * Passes pieces of a stream on: `pass` as often as it likes, `end` when the server has ended it.
   */
  stream?(pass: (text: string) => void): { piece(text: string): void; end(): void }
  /** What becomes of a WebSocket's handshake: 'pass', 'refuse' or 'hole'. */
  handshake?: 'pass' | 'refuse' | 'hole'
  /**
   * Whether the nth frame passes, counted from 1 each way, or what passes for it; the socket can be
   * dropped here.
   */
  up?(n: number, frame: string, socket: { drop(code?: number): void; age: number }): boolean
  down?(n: number, frame: string, socket: { drop(code?: number): void; age: number }): boolean | string
  /** Of a WebSocket, in ms after its handshake. */
  diesAt?: number
}

interface Session {
  stream?: (batch: string) => void
  end?: () => void
  polls: (() => void)[]
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/**
 * The `fetch` and `WebSocket` of that network. `refuses` is a reason that the server gives to every
 * open.
 */
export function doctorNet(network: Network = {}, refuses = '') {
  const sessions = new Map<string, Session>()
  const left = () => [...sessions.keys()].length

  const session = (batch: string): [string, Session] => {
    const key = /"key":"([^"]*)"/.exec(batch)![1]!
    if (!sessions.has(key)) sessions.set(key, { polls: [] })
    return [key, sessions.get(key)!]
  }
  const pongs = (batch: string) => [...batch.matchAll(/^!ping (.*)\n/gm)].map((m) => `!pong ${m[1]}\n`).join('')
  const open = (batch: string) =>
    refuses ? `!refused {"reason":"${refuses}"}\n` : opened(Number(/"att":(\d+)/.exec(batch)![1]))
  const reply = '!reply {"recv":0,"sent":0,"sel":{"u":1,"att":1}}\n'

  async function serve(preamble: string, kind: string, batch: string, signal: AbortSignal): Promise<Response> {
    const headers = {
      'Cache-Control': 'no-store, no-transform',
      'X-Content-Type-Options': 'nosniff',
      'Content-Type': 'text/plain',
    }
    const answer = (lines: string) => new Response(`${preamble}@1 0\n${lines}.\n`, { headers })
    const [key, s] = session(batch)
    if (kind === 'open') return answer(open(batch))
    if (kind === 'poll') {
      const hold = batch.includes('!ping') ? 50 : Number(/"hold":(\d+)/.exec(batch)![1])
      await Promise.race([sleep(hold), new Promise<void>((resolve) => s.polls.push(resolve))])
      return answer(reply)
    }
    if (kind === 'up') {
      const toStream = s.stream && pongs(batch)
      if (toStream) s.stream!(`@1 0\n${toStream}`)
      if (batch.includes('!close')) {
        s.stream?.('@1 1\n!closed {"code":4100,"reason":"","recv":1,"ack":0}\n')
        sessions.delete(key)
      }
      if (/!(close|detach)/.test(batch)) s.end?.()
      return answer(reply + (s.stream ? '' : pongs(batch)))
    }
    return stream(preamble, batch, s, signal, headers)
  }

  function stream(
    preamble: string,
    batch: string,
    s: Session,
    signal: AbortSignal,
    headers: HeadersInit,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const encoder = new TextEncoder()
      let out: ReadableStreamDefaultController<Uint8Array>
      const body = new ReadableStream<Uint8Array>({ start: (c) => void (out = c) })
      let begun = false
      const begin = () => {
        if (!begun) resolve(new Response(body, { headers: { ...headers, 'Content-Type': 'text/event-stream' } }))
        begun = true
      }
      let over = false
      const pass = (text: string) => {
        if (over || signal.aborted) return
        begin()
        if (text) out.enqueue(encoder.encode(text))
      }
      const net = network.stream?.(pass) ?? { piece: pass, end: () => {} }
      const event = (lines: string) => net.piece(`${lines}.\n`.replace(/^/gm, 'data:').replace(/data:$/, '') + '\n')
      signal.addEventListener('abort', () => {
        if (!begun) reject(new DOMException('aborted', 'AbortError'))
        else if (!over) out.error(new DOMException('aborted', 'AbortError'))
        over = true
      })
      net.piece(`:${' '.repeat(2048)}\n\n`)
      event(`${preamble}@1 0\n${open(batch)}`)
      s.end = () => {
        net.end()
        begin()
        if (!over) out.close()
        over = true
      }
      if (refuses) return s.end()
      s.stream = event
      event('@1 0\n?beacon {"i":1}\n')
      setTimeout(() => event('@1 0\n?beacon {"i":2}\n'), 300)
    })
  }

  const fakeFetch: typeof fetch = async (_, init = {}) => {
    const body = init.body as string
    const signal = init.signal!
    const [, preamble, kind, batch] = /^(holdfast\/1 (\w+) .*\n)([^]*)\.\n$/.exec(body)!
    const ask = () => serve(preamble!, kind!, batch!, signal)
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')))
    })
    aborted.catch(() => {})
    return Promise.race([network.post ? network.post(kind!, body, ask, signal) : ask(), aborted])
  }

  class FakeSocket implements WebSocketLike {
    binaryType = ''
    readonly bufferedAmount = 0
    onopen: ((event: unknown) => void) | null = null
    onmessage: ((event: unknown) => void) | null = null
    onclose: ((event: unknown) => void) | null = null
    onerror: ((event: unknown) => void) | null = null
    private ups = 0
    private downs = 0
    private gone = false
    private born = 0
    private key = ''

    constructor() {
      setTimeout(() => {
        if (network.handshake === 'hole') return
        if (network.handshake === 'refuse') return this.drop(1006)
        this.born = Date.now()
        this.onopen?.({})
        if (network.diesAt) setTimeout(() => this.drop(1006), network.diesAt)
      })
    }
    get age() {
      return Date.now() - this.born
    }
    drop(code = 1006) {
      if (this.gone) return
      this.gone = true
      this.onclose?.({ code, reason: '' })
    }
    send(frame: string) {
      if (this.gone || network.up?.(++this.ups, frame, this) === false) return
      let lines = pongs(frame)
      if (frame.includes('!open')) [this.key] = session(frame)
      else if (!this.key) lines = '!refused {"reason":"malformed"}\n'
      if (frame.includes('!open')) lines = open(frame) + lines
      if (frame.includes('!close')) {
        lines += '!closed {"code":4100,"reason":"","recv":1,"ack":0}\n'
        sessions.delete(this.key)
      }
      if (lines) setTimeout(() => this.answer(`@1 0\n${lines}`))
    }
    private answer(frame: string) {
      const passes = !this.gone && (network.down?.(++this.downs, frame, this) ?? true)
      if (passes) this.onmessage?.({ data: passes === true ? frame : passes })
    }
    close() {
      this.gone = true
    }
  }

  return { fetch: fakeFetch, WebSocket: FakeSocket as unknown as new (url: string) => WebSocketLike, left }
}
