// The two logs of a session: what this side sends, and the peer's lines put together again.

import { byteLength, encodeControl, encodeEntry, type Entry, type Line, type Packet } from './codec.js'
import { fail, type Fields } from './control.js'

/** The lines that this side has sent, or will, and that the peer has not acknowledged (I2). */
export interface SendLog {
  /** Highest ack of the peer: `_entries[0]` has number `_base + 1`. */
  _base: number
  /** Highest number ever handed to a carrier. */
  _sent: number
  _entries: Entry[]
  /** Window bytes of all lines up to `_base`. */
  _freed: number
  /** This side's `!close` is the last entry. */
  _closing: boolean
}

export const newSendLog = (): SendLog => ({ _base: 0, _sent: 0, _entries: [], _freed: 0, _closing: false })

/** The number of the newest line. */
export const lastNumber = (log: SendLog): number => log._base + log._entries.length

/** Window bytes of all lines up to the newest. */
const endOf = (log: SendLog) => log._entries[log._entries.length - 1]?._end ?? log._freed

/** The unacknowledged window bytes. */
export const heldBytes = (log: SendLog): number => endOf(log) - log._freed

export function append(log: SendLog, entries: Entry[]): void {
  for (const entry of entries) {
    entry._end = endOf(log) + entry._cost
    log._entries.push(entry)
  }
}

/** Adds `!close`, the last line; it is free of the window. */
export function appendClose(log: SendLog, code: number, reason: string): void {
  append(log, [encodeEntry(encodeControl('close', { code, reason }), 0, false)])
  log._closing = true
}

/** Frees the lines up to `n` and tells whether that was news. The caller has checked `n` against `_sent` (HF1-NUM-09). */
export function free(log: SendLog, n: number): boolean {
  if (n <= log._base) return false
  const freed = log._entries.splice(0, n - log._base)
  log._freed = freed[freed.length - 1]!._end
  log._base = n
  return true
}

/** Whether line `n` may be sent within the window (HF1-NUM-10). A window of 0 lets nothing go. */
export function fits(log: SendLog, n: number, win: number): boolean {
  const i = n - log._base - 1
  const entry = log._entries[i]
  return (
    !!entry &&
    !!win &&
    (!entry._cost ||
      entry._end - log._freed <= win ||
      // The oldest message may always go whole.
      log._entries.findIndex((e) => !e._more) >= i)
  )
}

/** A batch that was made. */
export interface Batch {
  _text: string
  /** Its size in bytes. */
  _size: number
  /** The last log line in it, or the position it started from. */
  _to: number
}

/** Makes a batch of controls and as many lines after `pos` as fit `limit`, one at least (HF1-ATT-07). */
export function fill(log: SendLog, pos: number, ack: number, controls: string, win: number, limit: number): Batch {
  let text = `@${pos + 1} ${ack}\n${controls}`
  let size = byteLength(text)
  let to = pos
  while (fits(log, to + 1, win)) {
    const entry = log._entries[to - log._base]!
    if (size + entry._bytes > limit && to > pos) break
    text += entry._line
    size += entry._bytes
    to++
  }
  log._sent = Math.max(log._sent, to)
  return { _text: text, _size: size, _to: to }
}

/** A message, or the peer's `!close`, that waits for the application. */
export interface Received {
  _data: string | Uint8Array
  /** Of its last line. */
  _number: number
  _close: Fields | undefined
  _cost: number
}

/** The peer's lines, put together again: in order, once, whole (HF1-NUM-02). */
export interface RecvLog {
  /** Highest number received without a gap. */
  _recv: number
  /** Highest number the application has taken: the ack. */
  _taken: number
  _queue: Received[]
  /** Pieces of a message that is not whole. */
  _pieces: Line[]
  /** The peer's `!close` was received. */
  _closed: boolean
  /** The ack that was last written. */
  _told: number
  /** Window bytes taken since then. */
  _takenCost: number
}

export const newRecvLog = (): RecvLog => ({
  _recv: 0,
  _taken: 0,
  _queue: [],
  _pieces: [],
  _closed: false,
  _told: 0,
  _takenCost: 0,
})

/** The log lines of a batch that are news; none if it starts beyond the next number. */
const newLines = (log: RecvLog, packet: Packet) => {
  const lines = packet._lines.filter((l) => l._log)
  return packet._first > log._recv + 1 ? [] : lines.slice(log._recv + 1 - packet._first)
}

/** Throws if the batch cannot follow what was received, so that it is refused whole (HF1-BAT-01). */
export function check(log: RecvLog, packet: Packet, maxMessage: number): void {
  const [first] = newLines(log, packet)
  const [piece] = log._pieces
  if (first && (log._closed || (piece && (first._name || typeof first._data !== typeof piece._data)))) fail('order') // HF1-BAT-09
  let size = cost(log._pieces)
  for (const line of newLines(log, packet)) {
    size += line._cost
    if (size > maxMessage) fail('message above maxMessage', 4304)
    if (!line._more) size = 0
  }
}

const cost = (lines: Line[]) => lines.reduce((sum, line) => sum + line._cost, 0)

/** Takes the log lines of a batch that passed `check`. */
export function accept(log: RecvLog, packet: Packet): void {
  for (const line of newLines(log, packet)) {
    log._recv++
    log._pieces.push(line)
    if (line._more) continue
    const { _pieces } = log
    log._closed = !!line._name
    log._queue.push({ _data: join(_pieces), _number: log._recv, _close: line._fields, _cost: cost(_pieces) })
    log._pieces = []
  }
}

function join(pieces: Line[]): string | Uint8Array {
  const parts = pieces.map((p) => p._data)
  if (parts.length < 2) return parts[0]!
  if (typeof parts[0] === 'string') return parts.join('')
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts as Uint8Array[]) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Records that the application has taken a message: only this moves the ack. */
export function take(log: RecvLog, { _number, _cost }: Received): void {
  log._taken = _number
  log._takenCost += _cost
}

/** Records that the ack was written on a path that counts. */
export function told(log: RecvLog): void {
  log._told = log._taken
  log._takenCost = 0
}
