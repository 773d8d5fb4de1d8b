// A network that a test plays: the sockets and requests that a session makes, to be answered by
// hand.
import type { WebSocketLike } from '../src/types.js'

/** What opened says, for a test that has no wishes. */
export const opened = (att: number, fields: object = {}): string =>
  '!opened ' +
  JSON.stringify({
    v: 1,
    id: 'AAAAAAAAAAAAAAAAAAAAAA',
    run: 'r1r1r1r1r1r1r1r1',
    node: 'n1',
    att,
    recv: 0,
    sel: { u: 1, att },
    lim: { maxBatch: 65536, maxMessage: 1 << 20 },
    win: 2 << 20,
    ping: 20_000,
    hold: 20_000,
    ttl: 120_000,
    challenge: `c${att}`,
    ...fields,
  }) +
  '\n'

export class FakeSocket implements WebSocketLike {
  binaryType = 'blob'
  readyState = 0
  bufferedAmount = 0
  onopen: ((event: unknown) => void) | null = null
  onmessage: ((event: unknown) => void) | null = null
  onclose: ((event: unknown) => void) | null = null
  onerror: ((event: unknown) => void) | null = null
  /** Batches the client has sent. */
  readonly sent: (string | Uint8Array)[] = []
  /** The code the client closed it with. */
  closed: number | undefined

  url: string
  constructor(url: string) {
    this.url = url
  }
  send(data: string | Uint8Array): void {
    if (this.readyState === 0) throw Error('not open')
    this.sent.push(data)
  }
  close(code?: number): void {
    this.readyState = 3
    this.closed = code
  }

  /** The handshake is done. */
  open(): void {
    this.readyState = 1
    this.onopen?.({})
  }
  /** The server sends a batch. */
  receive(batch: string): void {
    this.onmessage?.({ data: batch })
  }
  /** The connection ends. */
  drop(code = 1006): void {
    this.readyState = 3
    this.onclose?.({ code, reason: '' })
  }
  /** All that was sent, as text. */
  get text(): string {
    return this.sent.join('')
  }
}

export interface FakeRequest {
  kind: string
  preamble: string
  /** The batch in its body. */
  batch: string
  init: RequestInit
  /** Answers with a batch, whole. */
  answer(batch: string): void
  /** Answers with the beginning of an event stream that goes on. */
  stream(text: string): void
  /** Fails it as a broken connection does. */
  fail(): void
}

export class FakeNet {
  readonly sockets: FakeSocket[] = []
  readonly requests: FakeRequest[] = []

  readonly fetch: typeof fetch = (_, init = {}) =>
    new Promise((resolve, reject) => {
      const [, preamble, kind, batch] = /^(holdfast\/1 (\w+) .*\n)([^]*)\.\n$/.exec(init.body as string)!
      this.requests.push({
        kind: kind!,
        preamble: preamble!,
        batch: batch!,
        init,
        answer: (text) => resolve(new Response(`${preamble}${text}.\n`)),
        stream: (text) =>
          resolve(new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode(text)) }))),
        fail: () => reject(new TypeError('network')),
      })
      init.signal?.addEventListener('abort', () => reject(init.signal!.reason as Error))
    })

  readonly WebSocket: new (url: string) => WebSocketLike

  constructor() {
    const { sockets } = this
    this.WebSocket = class extends FakeSocket {
      constructor(url: string) {
        super(url)
        sockets.push(this)
      }
    }
  }

  /** The socket that was made last. */
  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!
  }
}
