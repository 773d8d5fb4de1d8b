// What carries batches: a WebSocket, or one POST whose answer is a body or an event stream (docs/protocol.md sections 3
// and 9). A carrier knows nothing of sessions. It may lose, cut or garble; it says so through `_closed` and never
// delivers part of a batch (HF1-BAT-01).

import { randomName, unwrap, wrap } from './codec.js'
import { fail } from './control.js'
import type { WebSocketLike } from './types.js'

/** What a carrier is asked to be. All but `socket` are words of the wire. */
export type Kind = 'socket' | 'stream' | 'open' | 'poll' | 'up'

/** The application's choices that carriers need. */
export interface Wire {
  /** The endpoint as an absolute http(s) URL. */
  _url: string
  _fetch: typeof fetch
  _WebSocket: new (url: string) => WebSocketLike
  _credentials: RequestCredentials
  /** The largest batch to accept, in bytes (HF1-BAT-05). */
  _maxBatch: number
}

/** What a carrier reports. After `_closed`, or once `_close` was called, it reports nothing more. */
export interface Sink {
  /** The carrier can take a batch. */
  _ready(): void
  _batch(batch: string | Uint8Array): void
  /** The carrier has ended; `fault` says how, for people. It is empty when a body came to its regular end. */
  _closed(fault: string): void
}

/** A carrier that was dialled. */
export interface Carrier {
  /** Whether it takes a batch now. A POST took its only one when it was dialled. */
  _writable(): boolean
  _send(batch: string): void
  /** Ends the carrier. The code is a courtesy to whoever reads a trace. */
  _close(code: number): void
}

/** More than this waiting in the platform's buffer, and a batch is better kept where it can still be re-routed. */
const highWater = 65536

/** Dials a WebSocket. Throws what its constructor throws. */
export function openSocket(wire: Wire, sink: Sink): Carrier {
  const socket = new wire._WebSocket(wire._url.replace(/^http/, 'ws'))
  let over = false
  const end = (fault: string) => {
    if (!over) sink._closed(fault)
    over = true
  }
  socket.binaryType = 'arraybuffer'
  // HF1-WSK-01: the client speaks first.
  socket.onopen = () => over || sink._ready()
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) =>
    over || sink._batch(typeof data === 'string' ? data : new Uint8Array(data))
  socket.onclose = ({ code, reason }: CloseEvent) => end(`closed ${code} ${reason}`)
  // Kept to the end: the ws package throws what no handler takes. The platform tells scripts no more than this.
  socket.onerror = () => end('failed')
  return {
    _writable: () => !over && socket.readyState === 1 && socket.bufferedAmount < highWater,
    _send: (batch) => socket.send(batch),
    _close(code) {
      over = true
      socket.close(code)
    },
  }
}

/** Makes one POST. The answer of kind `stream` is an event stream, every other one body. */
export function post(wire: Wire, kind: Kind, batch: string, sink: Sink): Carrier {
  const nonce = randomName(12)
  const preamble = `holdfast/1 ${kind} ${nonce}\n`
  const abort = new AbortController()
  let over = false
  const exchange = async () => {
    const answer = await wire._fetch(wire._url, {
      method: 'POST',
      body: wrap(preamble, batch), // a string goes as text/plain, so there is no preflight (HF1-HTTP-06)
      headers: { Accept: kind === 'stream' ? 'text/event-stream' : 'text/plain' }, // HF1-SSE-05
      cache: 'no-store',
      credentials: wire._credentials,
      redirect: 'error', // HF1-HTTP-08
      signal: abort.signal,
    })
    // HF1-HTTP-04: a status is never news of the session.
    if (answer.status !== 200) fail('status ' + answer.status)
    const reader = answer.body!.getReader()
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let text = ''
    let prefix = preamble
    for (;;) {
      const { done, value } = await reader.read()
      if (over) return
      text += decoder.decode(value, { stream: !done })
      if (kind === 'stream') {
        const events = text.split(/\n\r?\n/)
        // HF1-SSE-04: a tail without its blank line is no event.
        text = events.pop()!
        for (const event of events) {
          const data = [...event.matchAll(/^data:([^\r\n]*)/gm)].map((m) => m[1]).join('\n')
          if (over) return
          if (!data) continue // a comment
          if (prefix || /\n\.$/.test(data)) sink._batch(unwrap(prefix, data))
          prefix = ''
        }
      }
      // Twice the limit leaves room for `data:` on every line, for CRs and for the comment in front.
      if (text.length > 2 * wire._maxBatch + 4096) fail('too large')
      if (done) break
    }
    if (kind !== 'stream') sink._batch(unwrap(prefix, text))
  }
  exchange().then(
    () => '',
    (error: unknown) => String(error),
  ).then((fault) => {
    if (!over) sink._closed(fault)
    close()
  })
  const close = () => {
    over = true
    abort.abort()
  }
  return { _writable: () => false, _send: () => {}, _close: close }
}
