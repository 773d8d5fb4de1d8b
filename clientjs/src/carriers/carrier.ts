// What carries batches: a WebSocket, or one POST whose answer is a body or an event stream
// (docs/protocol.md sections 3 and 9). A carrier knows nothing of sessions. It may lose, cut or
// garble; it reports so through `closed` and never delivers part of a batch (HF1-BAT-01). What it
// reports after that, or after it was closed from here, is of no interest to anybody.

import type { WebSocketLike } from '../types.js'

/** The kind of a carrier. All but `socket` are words of the wire. */
export type Kind = 'socket' | 'stream' | 'open' | 'poll' | 'up'

/** The application's choices that carriers need. */
export interface Wire {
  /** The endpoint as an absolute URL, less `http` or `ws` in front. */
  _url: string
  _fetch: typeof fetch
  _WebSocket: new (url: string) => WebSocketLike
  _credentials: RequestCredentials
  /** The largest batch to accept, in bytes (HF1-BAT-05). */
  _maxBatch: number
}

/** A carrier that was dialled. A POST has its one batch from the start. */
export interface Carrier {
  /** Ends it. The code only helps whoever reads a trace. */
  _close(code: number): void
  /** Whether there is room for more; for a carrier that is open. */
  _writable?(): boolean
  _send?(batch: string | Uint8Array): void
}

/** Takes a batch that came. */
export type Take = (batch: string | Uint8Array) => void
/**
 * Is called with how the carrier ended, for people; with '' when a body came to its regular end.
 */
export type Closed = (fault: string) => void
