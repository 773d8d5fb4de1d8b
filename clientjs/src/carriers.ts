// What carries batches: a WebSocket, or one POST whose answer is a body or an event stream (docs/protocol.md sections 3
// and 9). A carrier knows nothing of sessions. It may lose, cut or garble; it says so through `closed` and never delivers
// part of a batch (HF1-BAT-01). What it reports after that, or after it was told to close, is of no interest to anybody.

import { randomName, unwrap, wrap } from './codec.js'
import { fail } from './control.js'
import type { WebSocketLike } from './types.js'

/** What a carrier is asked to be. All but `socket` are words of the wire. */
export type Kind = 'socket' | 'stream' | 'open' | 'poll' | 'up'

/** The application's choices that carriers need. */
export interface Wire {
  /** The endpoint as an absolute URL, less `http` or `ws` in front. */
  _url: string
  _fetch: typeof fetch
  _WebSocket: new (url: string) => WebSocketLike
  _credentials: RequestCredentials
  /** The largest batch to accept, in bytes (HF1-BAT-05). */
  _takesBatch: number
}

/** A carrier that was dialled. A POST has its one batch from the start. */
export interface Carrier {
  /** Ends it. The code is a courtesy to whoever reads a trace. */
  _close(code: number): void
  /** Whether there is room for more; asked once it is open. */
  _writable?(): boolean
  _send?(batch: string | Uint8Array): void
}

/** Takes a batch that came. */
type Take = (batch: string | Uint8Array) => void
/** Is told how the carrier ended, for people; with '' when a body came to its regular end. */
type Closed = (fault: string) => void

/** More than this waiting in the platform's buffer, and a batch is better kept where it can still be re-routed. */
const highWater = 65536

/** Dials a WebSocket; `ready` says that it can be written. Throws what its constructor throws. */
export function openSocket(wire: Wire, ready: () => void, take: Take, closed: Closed): Carrier {
  const socket = new wire._WebSocket('ws' + wire._url)
  socket.binaryType = 'arraybuffer'
  // HF1-WSK-01: the client speaks first.
  socket.onopen = ready
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) =>
    take(typeof data === 'string' ? data : new Uint8Array(data))
  socket.onclose = ({ code, reason }: CloseEvent) => closed(`closed ${code} ${reason}`)
  // The ws package throws what no handler takes. The platform tells scripts no more than this.
  socket.onerror = () => closed('failed')
  return {
    _writable: () => socket.bufferedAmount < highWater,
    _send: (batch) => socket.send(batch),
    _close: (code) => socket.close(code),
  }
}

/** Makes one POST. The answer of kind `stream` is an event stream, every other one body. */
export function post(wire: Wire, kind: Kind, batch: string, take: Take, closed: Closed): Carrier {
  let preamble = `holdfast/1 ${kind} ${randomName(12)}\n`
  const stream = kind === 'stream'
  const abort = new AbortController()
  const { _fetch } = wire // a method of nothing, as the platform wants it
  const exchange = async () => {
    const answer = await _fetch('http' + wire._url, {
      method: 'POST',
      body: wrap(preamble, batch), // a string goes as text/plain, so there is no preflight (HF1-HTTP-06)
      headers: stream ? { Accept: 'text/event-stream' } : {}, // HF1-SSE-05
      cache: 'no-store',
      credentials: wire._credentials,
      redirect: 'error', // HF1-HTTP-08
      signal: abort.signal,
    })
    if (answer.status !== 200) fail('status ' + answer.status) // HF1-HTTP-04
    const reader = answer.body!.getReader()
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      text += decoder.decode(value, { stream: !done })
      const events = stream ? text.split(/\n\r?\n/) : []
      // HF1-SSE-04: a tail without its blank line is no event.
      text = events.pop() ?? text
      for (const event of events) {
        const data = [...event.matchAll(/^data:([^\r\n]*)/gm)].map((m) => m[1]).join('\n')
        // Without its end line it is discarded, unless it should have been the first. A comment has no data.
        if (data && (preamble || /\n\.$/.test(data))) take(unwrap(preamble, data))
        if (data) preamble = ''
      }
      // Twice the limit leaves room for `data:` on every line, for CRs and for the comment in front.
      if (text.length > 2 * wire._takesBatch + 4096) fail('too large')
      if (done) break
    }
    if (!stream) take(unwrap(preamble, text))
    return ''
  }
  const end = () => abort.abort()
  void exchange()
    .catch(String)
    .then(closed)
    .then(end) // a fault may have left some of the answer
  return { _close: end }
}
