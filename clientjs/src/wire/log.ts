// The two logs of a session: what this side sends, and the peer's lines put together again.

import { byteLength, type Entry, type Line, type Packet } from './codec.js'
import { fail, type Fields } from './control.js'

/** A message, or the peer's `!close`, that waits for the application. */
export interface Received {
  _data: string | Uint8Array
  /** Of its last line. */
  _number: number
  _cost: number
  /** Set for `!close`. */
  _close: Fields | undefined
}

export interface Logs {
  /** Highest ack of the peer: `_entries[0]` has number `_base + 1`. */
  _base: number
  /** Highest number ever handed to a carrier. */
  _sent: number
  /** The lines that this side has sent, or will, and that the peer has not acknowledged (I2). */
  _entries: Entry[]
  /** Window bytes of all lines, and of those up to `_base`. */
  _grown: number
  _freed: number

  /** Highest number received without a gap. */
  _recv: number
  /** Highest number the application has taken: the ack. */
  _taken: number
  /** Window bytes received and not taken. */
  _unread: number
  /** What waits for the application. */
  _queue: Received[]
  /** Pieces of a message that is not whole, and what they cost. */
  _pieces: Line[]
  _piecesCost: number
  /** The last line received. */
  _last?: Line | undefined
  /** The ack that was last written. */
  _ackSent: number
  /** Window bytes taken since then. */
  _takenCost: number
}

export const newLogs = (): Logs => ({
  _base: 0,
  _sent: 0,
  _entries: [],
  _grown: 0,
  _freed: 0,
  _recv: 0,
  _taken: 0,
  _unread: 0,
  _queue: [],
  _pieces: [],
  _piecesCost: 0,
  _ackSent: 0,
  _takenCost: 0,
})

/** The number of the newest line. */
export const lastNumber = (log: Logs): number => log._base + log._entries.length

/** The unacknowledged window bytes (HF1-NUM-10). */
export const heldBytes = ({ _grown, _freed }: Logs): number => _grown - _freed

export function append(log: Logs, entries: Entry[]): void {
  for (const entry of entries) entry._end = log._grown += entry._cost
  log._entries.push(...entries)
}

/**
 * Frees the lines up to `n` and tells whether that was news. The caller has checked `n` against
 * `_sent` (HF1-NUM-09).
 */
export function free(log: Logs, n: number): boolean {
  const news = n > log._base
  if (news) {
    log._freed = log._entries[n - log._base - 1]!._end
    log._entries.splice(0, n - log._base)
    log._base = n
  }
  return news
}

/** Whether line `n` may be sent within the window (HF1-NUM-10). One below 0 lets nothing go. */
export function fits(log: Logs, n: number, win: number): boolean {
  const i = n - log._base - 1
  const entry = log._entries[i]
  return (
    win >= 0 &&
    !!entry &&
    (!entry._cost ||
      entry._end - log._freed <= win ||
      // The oldest message may always go whole.
      log._entries.findIndex((e) => !e._more) >= i)
  )
}

/**
 * Looks at the log lines of a batch: those that are news, none if it starts beyond the next number.
 * Throws if one cannot follow what is before it, so that the batch is refused whole (HF1-BAT-01);
 * else returns what takes them in, in order, once (HF1-NUM-02).
 */
export function admit(log: Logs, packet: Packet, maxMessage: number, win = Infinity): () => void {
  let { _unread, _recv, _pieces, _piecesCost, _last } = log
  const whole: Received[] = []
  let n = packet._first
  let before: Line | undefined
  _pieces = [..._pieces]
  for (const line of packet._lines)
    if (line._log) {
      if (n === _recv + 1) before = _last
      // HF1-CLO-01: !close is the last line of its log. HF1-BAT-09: a piece is continued by its own
      // type. Old lines too.
      if (before?._name || (before?._more && typeof line._data !== typeof before._data)) fail()
      before = line
      if (n++ !== _recv + 1) continue
      // HF1-NUM-10: no message is so large that a sender needs more than that at a time.
      if (_unread > win + maxMessage) fail('window overrun', 4304)
      _unread += line._cost
      _recv++
      _last = line
      _pieces.push(line)
      _piecesCost += line._cost
      if (_piecesCost - 16 * _pieces.length > maxMessage) fail('too large', 4304)
      if (line._more) continue
      if (line._fields && !isEnd(line._fields.code, line._fields.reason)) fail()
      whole.push({ _data: join(_pieces, _piecesCost), _number: _recv, _cost: _piecesCost, _close: line._fields })
      _pieces = []
      _piecesCost = 0
    }
  return () => {
    log._queue.push(...whole)
    Object.assign(log, { _unread, _recv, _pieces, _piecesCost, _last })
  }
}

/** HF1-CLO-01: what a `!close` may say. */
export const isEnd = (code: unknown, reason: unknown): boolean =>
  Number.isSafeInteger(code) &&
  (code as number) > 4099 &&
  (code as number) < 4400 &&
  typeof reason === 'string' &&
  byteLength(reason) < 129

function join(pieces: Line[], cost: number): string | Uint8Array {
  const parts = pieces.map((line) => line._data!)
  if (parts.length < 2) return parts[0]!
  if (typeof parts[0] === 'string') return parts.join('')
  const whole = new Uint8Array(cost - 16 * parts.length)
  let at = 0
  for (const part of parts as Uint8Array[]) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The ack was written where it counts. */
export function noteAckSent(log: Logs): void {
  log._ackSent = log._taken
  log._takenCost = 0
}
