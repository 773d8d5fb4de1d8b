// The grammar of docs/protocol.md section 2: batches to lines and back. Pure functions; whatever
// breaks a rule throws, and the caller takes any throw for a faulty batch (HF1-BAT-01).

import type { Data } from '../types.js'
import { fail, parseFields, type Fields } from './control.js'

/** A line of a batch. */
export interface Line {
  /** It has a number: a message line, or `!close`. */
  _log: boolean
  /** What it counts against the window (HF1-NUM-10): its payload and 16; a control nothing. */
  _cost: number
  /** The payload of a message line. */
  _data?: string | Uint8Array
  /** `+`: the message goes on with the next log line. */
  _more?: boolean
  /** The sign and name of a control, and its fields. */
  _name?: string
  _fields?: Fields
}

/** A batch, parsed whole. */
export interface Packet {
  /** Number of the first log line, or of the next one. */
  _first: number
  /** The sender has taken our lines up to this one. */
  _ack: number
  _lines: Line[]
}

/** A line of the log, ready to be sent. */
export interface Entry {
  /** The line as it goes out, with its LF. */
  _line: string
  _cost: number
  /** The payload of a binary line. */
  _raw: Uint8Array | undefined
  /** Continued by the next entry. */
  _more: boolean
  /** Window bytes of the whole log up to and with this line, once it is in one. */
  _end: number
}

/**
 * A message, encoded once: `send` takes it, and nothing walks its data again. It is for one log.
 */
export interface Prepared {
  _entries: Entry[]
  /** What it counts against the window: its bytes, and 16 for every line. */
  _cost: number
}

export const utf8 = new TextEncoder()

/** The size of a string in bytes of UTF-8. */
export const byteLength = (text: string): number => utf8.encode(text).length

const costOf = (data: string | Uint8Array) => 16 + (typeof data === 'string' ? byteLength(data) : data.length)

/** HF1-BAT-02: the three escapes, both ways. */
const escapes: Record<string, string> = { '\\': '\\', n: '\n', r: '\r', '\n': 'n', '\r': 'r' }

// Pieces and heads are small enough to spread.
const binaryString = (bytes: Uint8Array) => String.fromCharCode(...bytes)

function fromBase64(text: string): Uint8Array {
  const raw = atob(text)
  // HF1-BAT-03: atob forgives white space, missing padding and stray bits; the way back does not
  // repeat them.
  if (btoa(raw) !== text) fail()
  return Uint8Array.from(raw, (c) => c.charCodeAt(0))
}

/** Random bytes as base64url without padding: 32 make a key, 12 a nonce. */
export const randomName = (bytes: number): string =>
  btoa(binaryString(crypto.getRandomValues(new Uint8Array(bytes)))).replace(
    /\W/g,
    (c) => (c === '+' ? '-' : c === '/' ? '_' : ''),
  )

const messageLine = (data: string | Uint8Array, more: boolean): Line => ({
  _log: true,
  _cost: costOf(data),
  _data: data,
  _more: more,
})

function parseLine(text: string): Line {
  const [, plus, type, rest, name, , json] =
    /^(?:(\+?)([tb])([^]*)|([!?][a-z][a-z\d-]{0,31})( (\{[^]*\}))?)$/.exec(text) ?? fail()
  if (name) {
    if (byteLength(text) > 8191) fail()
    return { _log: name === '!close', _cost: 0, _name: name, _fields: parseFields(name, json ?? '{}') }
  }
  const unescape = (_: string, c: string) => (/[\\nr]/.test(c) ? escapes[c]! : fail())
  return messageLine(type === 't' ? rest!.replace(/\\([^]?)/g, unescape) : fromBase64(rest!), !!plus)
}

/**
 * Parses a batch in its text form, or a WebSocket's binary frame, and throws at the first thing
 * that breaks the grammar. `limit` is the maxBatch that this side has advertised, in bytes
 * (HF1-BAT-05).
 */
export function parse(batch: string | Uint8Array, limit: number): Packet {
  const binary = typeof batch !== 'string'
  const text = binary
    ? binaryString(batch.subarray(0, Math.min(110, batch.indexOf(10) + 1))) // a head has at most 110 bytes
    : batch.replace(/^\uFEFF/, '')
  // HF1-BAT-06: one CR before each LF, and no other.
  const [head, ...lines] = text.split(/\r?\n/)
  // HF1-BAT-04: numbers have no sign and no leading zero. HF1-BAT-12: a mark is ignored. `+` is of
  // the binary form alone.
  const [, first, ack, , plus] = /^@([1-9]\d{0,15}) (0|[1-9]\d{0,15})( [\w-]{1,64})?( \+)?$/.exec(head!) ?? fail()
  if (
    (binary ? batch.length : byteLength(text)) > limit ||
    lines.pop() !== '' ||
    (plus && !binary) ||
    /\r(?!\n)/.test(text)
  )
    fail()
  // A copy: the application's bytes own their memory, on every transport.
  const parsed = binary ? [messageLine(batch.slice(text.length), !!plus)] : lines.map(parseLine)
  // Numbers of 16 digits are exact enough to be compared.
  if (Math.max(+first! + parsed.filter((l) => l._log).length, +ack!) > 2 ** 53 - 1) fail()
  return { _first: +first!, _ack: +ack!, _lines: parsed }
}

/** A control line. */
export const encodeControl = (name: string, fields: object): string => `!${name} ${JSON.stringify(fields)}\n`

export function encodeEntry(text: string, cost: number, more: boolean, raw?: Uint8Array): Entry {
  const line = (more ? '+' : '') + text
  return { _line: line, _raw: raw, _cost: cost, _more: more, _end: 0 }
}

/** As much of an escaped text as fits `bytes` of UTF-8: scalar values and escapes stay whole. */
function cut(text: string, bytes: number): string {
  // The inner slice spares the platform the rest of a long text; what it parts at its end does not
  // fit anyhow.
  const piece = text.slice(0, utf8.encodeInto(text.slice(0, bytes), new Uint8Array(bytes)).read)
  // An odd run of backslashes at the end is half an escape.
  return piece !== text && /\\*$/.exec(piece)![0].length % 2 ? piece.slice(0, -1) : piece
}

/**
 * The bytes of a buffer or of a view of any kind and realm, in place; a TypeError for all else,
 * which DataView throws. `slice` of the result copies, which that of a Node Buffer does not.
 */
export function bytesOf(data: unknown): Uint8Array {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(data) ? data : new DataView(data as ArrayBuffer)
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/**
 * A message as lines of at most 1,536 bytes (HF1-BAT-08), which share no memory with it; a
 * TypeError if it is neither bytes nor text, or text with a lone surrogate.
 */
export function prepare(data: Data): Prepared {
  const _entries: Entry[] = []
  let _cost = 0
  const add = (text: string, cost: number, more: boolean, raw?: Uint8Array) => {
    _cost += cost
    _entries.push(encodeEntry(text, cost, more, raw))
  }
  if (typeof data === 'string') {
    // HF1-BAT-07. With the `u` flag only a lone surrogate is one.
    if (/\p{Cs}/u.test(data)) throw TypeError('lone surrogate')
    let rest = data.replace(/[\\\n\r]/g, (c) => '\\' + escapes[c])
    do {
      let piece = cut(rest, 1534)
      if (piece !== rest) piece = cut(rest, 1533)
      rest = rest.slice(piece.length)
      // An escape stands for one byte.
      add('t' + piece + '\n', costOf(piece.replace(/\\./g, '.')), !!rest)
    } while (rest)
  } else {
    const bytes = bytesOf(data)
    for (let at = 0; !at || at < bytes.length; ) {
      const piece = bytes.slice(at, (at += 1149))
      add('b' + btoa(binaryString(piece)) + '\n', costOf(piece), at < bytes.length, piece)
    }
  }
  return { _entries, _cost }
}

/** What an HTTP body begins with; its answer repeats it (HF1-HTTP-01). */
export const preambleOf = (kind: string): string => `holdfast/1 ${kind} ${randomName(12)}\n`

/** An HTTP body around a batch. */
export const wrap = (preamble: string, batch: string): string => preamble + batch + '.\n'

/**
 * The batch in a body, or in the data of a stream's event (HF1-HTTP-01, HF1-HTTP-02); only its
 * first has a preamble. What comes after the end line makes the batch one that does not parse.
 */
export function unwrap(preamble: string, body: string): string {
  const text = body.replace(/\r\n/g, '\n')
  const end = text.search(/\n\.\n?$/) + 1
  if (!text.startsWith(preamble + '@') || !end || text.includes('\r')) fail('not holdfast')
  return text.slice(preamble.length, end)
}
