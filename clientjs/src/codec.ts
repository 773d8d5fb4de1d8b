// The grammar of docs/protocol.md section 2: batches to lines and back. Pure functions; whatever breaks a rule throws, and
// the caller takes any throw for a faulty batch (HF1-BAT-01).

import { fail, parseFields, type Fields } from './control.js'

/** A line of a batch. */
export interface Line {
  /** The control's sign and name; empty for a message line. */
  _name: string
  /** It has a number: a message line, or `!close`. */
  _log: boolean
  /** `+`: the message goes on with the next log line. */
  _more: boolean
  /** The payload of a message line. */
  _data: string | Uint8Array
  /** What the line counts against the window: its payload and 16 (HF1-NUM-10). */
  _cost: number
  /** The fields of a control. */
  _fields: Fields | undefined
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
  /** Its size on the wire, in bytes. */
  _bytes: number
  _cost: number
  /** Continued by the next entry. */
  _more: boolean
  /** Window bytes of the whole log up to and with this line, once it is in one. */
  _end: number
}

const utf8 = new TextEncoder()

/** The size of a string in bytes of UTF-8. */
export const byteLength = (text: string): number => utf8.encode(text).length

const costOf = (data: string | Uint8Array) => 16 + (typeof data === 'string' ? byteLength(data) : data.length)

/** HF1-BAT-02: the three escapes, both ways. */
const escapes: Record<string, string> = { '\\': '\\', n: '\n', r: '\r', '\n': 'n', '\r': 'r' }

// Pieces and heads are small enough to spread.
const binaryString = (bytes: Uint8Array) => String.fromCharCode(...bytes)

function fromBase64(text: string): Uint8Array {
  const raw = atob(text)
  // HF1-BAT-03: atob forgives white space, missing padding and stray bits; the way back does not repeat them.
  if (btoa(raw) !== text) fail('base64')
  const bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return bytes
}

/** Random bytes as base64url without padding: 32 make a key, 12 a nonce. */
export const randomName = (bytes: number): string =>
  btoa(binaryString(crypto.getRandomValues(new Uint8Array(bytes))))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=/g, '')

const messageLine = (data: string | Uint8Array, more: boolean): Line => ({
  _name: '',
  _log: true,
  _more: more,
  _data: data,
  _cost: costOf(data),
  _fields: undefined,
})

function parseLine(text: string): Line {
  const [, plus, type, rest, name, , json] =
    /^(?:(\+?)([tb])([^]*)|([!?][a-z][a-z\d-]{0,31})( (\{[^]*\}))?)$/.exec(text) ?? fail('line')
  if (!name) {
    const unescape = (_: string, c: string) => (/[\\nr]/.test(c) ? escapes[c]! : fail('escape'))
    return messageLine(type === 't' ? rest!.replace(/\\([^]?)/g, unescape) : fromBase64(rest!), !!plus)
  }
  if (byteLength(text) > 8191) fail('control')
  return { ...messageLine('', false), _name: name, _log: name === '!close', _fields: parseFields(name, json ?? '{}') }
}

/**
 * Parses a batch in its text form, or a WebSocket's binary frame, and throws at the first thing that breaks the grammar.
 * `limit` is the maxBatch that this side has advertised, in bytes (HF1-BAT-05).
 */
export function parse(batch: string | Uint8Array, limit: number): Packet {
  const binary = typeof batch !== 'string'
  let text = binary
    ? binaryString(batch.subarray(0, Math.min(110, batch.indexOf(10) + 1))) // a head has at most 110 bytes
    : batch.replace(/^\uFEFF/, '')
  if ((binary ? batch.length : byteLength(text)) > limit) fail('size')
  // HF1-BAT-06: one CR before each LF, and no other. A binary frame's head has none.
  if (!binary) text = text.replace(/\r\n/g, '\n')
  const [head, ...lines] = text.split('\n')
  if (lines.pop() !== '' || text.includes('\r')) fail('line end')
  // HF1-BAT-12: a mark is ignored. `+` belongs to the binary form alone.
  const [, first, ack, , plus] =
    /^@([1-9]\d{0,15}) (0|[1-9]\d{0,15})( [\w-]{1,64})?( \+)?$/.exec(head!) ?? fail('head')
  const parsed = binary ? [messageLine(batch.subarray(text.length), !!plus)] : lines.map(parseLine)
  let last: Line | undefined
  let next = +first!
  for (const line of parsed) {
    if (!line._log) continue
    // HF1-CLO-01: !close is the last line of its log. HF1-BAT-09: a piece is continued by its own type.
    if (last && (last._name || (last._more && (line._name || typeof line._data !== typeof last._data)))) fail('order')
    last = line
    next++
  }
  // HF1-BAT-04. All numbers up to here are at most 16 digits, so exact enough to compare.
  if (Math.max(next, +ack!) > Number.MAX_SAFE_INTEGER || (plus && !binary)) fail('range')
  return { _first: +first!, _ack: +ack!, _lines: parsed }
}

/** A control line. */
export const encodeControl = (name: string, fields: object): string => `!${name} ${JSON.stringify(fields)}\n`

export const encodeEntry = (text: string, cost: number, more: boolean): Entry => {
  const line = (more ? '+' : '') + text
  return { _line: line, _bytes: byteLength(line), _cost: cost, _more: more, _end: 0 }
}

/** As much of `text` as fits `bytes` of UTF-8: scalar values and escapes stay whole. */
function cut(text: string, bytes: number): string {
  // The inner slice spares the platform the rest of a long text; what it parts at its end does not fit anyhow.
  const piece = text.slice(0, utf8.encodeInto(text.slice(0, bytes), new Uint8Array(bytes)).read)
  // An odd run of backslashes at the end is half an escape.
  return piece.length < text.length && /\\*$/.exec(piece)![0].length % 2 ? piece.slice(0, -1) : piece
}

/** A message as lines of at most 1,536 bytes (HF1-BAT-08); a TypeError if it is text with a lone surrogate. */
export function encodeMessage(data: string | Uint8Array): Entry[] {
  const entries: Entry[] = []
  if (typeof data === 'string') {
    // HF1-BAT-07. With the `u` flag only a lone surrogate is one.
    if (/\p{Cs}/u.test(data)) throw TypeError('lone surrogate')
    let rest = data.replace(/[\\\n\r]/g, (c) => '\\' + escapes[c])
    do {
      const piece = cut(rest, rest.length > 1534 || byteLength(rest) > 1534 ? 1533 : 1534)
      rest = rest.slice(piece.length)
      // An escape stands for one byte.
      entries.push(encodeEntry('t' + piece + '\n', costOf(piece.replace(/\\./g, '.')), !!rest))
    } while (rest)
  } else {
    let at = 0
    do {
      const piece = data.subarray(at, (at += 1149))
      entries.push(encodeEntry('b' + btoa(binaryString(piece)) + '\n', costOf(piece), at < data.length))
    } while (at < data.length)
  }
  return entries
}

/** An HTTP body, or the data of a stream's first event, around a batch. */
export const wrap = (preamble: string, batch: string): string => preamble + batch + '.\n'

/**
 * The batch in a body (HF1-HTTP-01, HF1-HTTP-02). A later event of a stream has no preamble, `''`. What comes after the
 * end line makes the batch one that does not parse.
 */
export function unwrap(preamble: string, body: string): string {
  const text = body.replace(/\r\n/g, '\n')
  const end = text.search(/\n\.\n?$/) + 1
  if (!text.startsWith(preamble + '@')) fail('not holdfast')
  if (!end || text.includes('\r')) fail('incomplete')
  return text.slice(preamble.length, end)
}
