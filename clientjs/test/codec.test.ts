import { describe, expect, test } from 'vitest'
import { encodeControl, encodeEntry, parse, prepare, randomName, unwrap, wrap, type Packet } from '../src/wire/codec.js'
import { examples } from '../src/wire/control.js'
import { admit, newLogs } from '../src/wire/log.js'
import { bytesOf, textOf, vectorFiles, type LineVector, type Octets, type Vector } from './vectors.js'

const defaultLimit = 65536

// The client knows the controls that servers send. For the vectors, which are for both sides, it
// learns the others.
Object.assign(examples, {
  '!open': { v: [], key: '', att: 0, recv: 0, lim: {} },
  '!poll': { key: '', run: '', att: 0, p: 0, recv: 0 },
  '!up': { key: '', run: '', att: 0 },
  '!use': { u: 0, att: 0, challenge: '', recv: 0 },
})

/**
 * What a parsed batch says, in the words of the vectors. Controls of no known name are left out, as
 * they may be.
 */
const spoken = (packet: Packet) =>
  packet._lines.map((line) =>
    line._name
      ? { control: line._name, json: line._fields }
      : { data: typeof line._data === 'string' ? line._data : Buffer.from(line._data!), more: line._more },
  )

const expected = (lines: LineVector[]) =>
  lines.map((line) =>
    line.control
      ? { control: line.control, json: line.json ?? expect.anything() }
      : {
          data: line.text === undefined ? Buffer.from(bytesOf(line.binary!)) : textOf(line.text, true),
          more: !!line.more,
        },
  )

function checkBatch(vector: Vector, read: () => Packet): Packet | undefined {
  if (vector.breaks) {
    expect(read, vector.why).toThrow()
    return undefined
  }
  const packet = read()
  expect(packet._first).toBe(vector.first)
  expect(packet._ack).toBe(vector.ack)
  return packet
}

/** Writes what was parsed, with the functions that write batches. */
const written = (packet: Packet): string =>
  `@${packet._first} ${packet._ack}\n` +
  packet._lines
    .map((line) => {
      if (line._name) {
        const json = JSON.stringify(line._fields)
        return line._name[0] === '!' && json !== '{}' ? encodeControl(line._name.slice(1), line._fields!) : undefined
      }
      const [entry] = prepare(line._data!)._entries
      return encodeEntry(entry!._line, 0, !!line._more)._line
    })
    .join('')

/** Some rules hold for the order of lines, which the log looks at. */
function whole(packet: Packet): Packet {
  admit(newLogs(), packet, 1 << 20)
  return packet
}

type Check = (vector: Vector) => void

const checks: Record<string, Check> = {
  batch(vector) {
    examples['!ticket'] = vector.id === 'controls/ticket-asking' ? { att: 0, u: 0, recv: 0 } : { ticket: '', ttl: 0 }
    const packet = checkBatch(vector, () => whole(parse(textOf(vector.wire!, true), vector.limit ?? defaultLimit)))
    if (!packet) return
    expect(spoken(packet)).toEqual(expected(vector.lines as LineVector[]))
    const ours = packet._lines.every((l) => !l._name || (l._name[0] === '!' && JSON.stringify(l._fields) !== '{}'))
    const short = packet._lines.every((l) => (l._data ?? '').length < 383)
    if (vector.canonical && ours && short) expect(written(packet)).toBe(textOf(vector.wire!, true))
  },
  frame(vector) {
    const packet = checkBatch(vector, () =>
      parse(Uint8Array.from(bytesOf(vector.frame!)), vector.limit ?? defaultLimit),
    )
    if (!packet) return
    expect(spoken(packet)).toEqual([{ data: Buffer.from(bytesOf(vector.payload!)), more: vector.more }])
  },
  body(vector) {
    const preamble = `holdfast/1 ${vector.kind} ${vector.nonce}\n`
    const own = /^holdfast\/1 (open|poll|up|stream) [\w-]{16,64}\n$/.test(preamble)
    // A request that this client does not make: see carriers.test.ts.
    if (!own) return expect(vector.breaks).toBeTruthy()
    const packet = checkBatch(vector, () => parse(unwrap(preamble, textOf(vector.body!, false)), defaultLimit))
    if (!packet) return
    expect(spoken(packet)).toEqual(expected(vector.lines as LineVector[]))
    if (vector.canonical) expect(wrap(preamble, written(packet))).toBe(textOf(vector.body!, false))
  },
  split(vector) {
    const text = vector.text === undefined ? undefined : textOf(vector.text, true)
    const { _entries: entries, _cost: cost } = prepare(text ?? bytesOf(vector.binary!))
    expect(entries.map((e) => Buffer.byteLength(e._line))).toEqual(vector.lines)
    const packet = parse('@1 0\n' + entries.map((e) => e._line).join(''), 1 << 20)
    expect(entries.map((e) => e._cost)).toEqual(packet._lines.map((l) => l._cost))
    expect(entries.reduce((sum, e) => sum + e._cost, 0)).toBe(cost)
    const log = newLogs()
    admit(log, packet, 1 << 20)()
    expect(log._queue.map((r) => Buffer.from(r._data))).toEqual([Buffer.from(bytesOf(vector.text ?? vector.binary!))])
  },
  unsendable(vector) {
    expect(() => prepare(String.fromCharCode(...vector.utf16!))).toThrow(TypeError)
  },
  id(vector) {
    // Only servers read keys. What this client draws has the form of those that are taken.
    expect(/^[\w-]{42}[AEIMQUYcgkosw048]$/.test(vector.key!)).toBe(!vector.breaks)
    expect(randomName(32)).toMatch(/^[\w-]{42}[AEIMQUYcgkosw048]$/)
  },
  sequence(vector) {
    const log = newLogs()
    for (const batch of vector.batches!) {
      const read = () => {
        const packet = parse(textOf(batch.wire, true), defaultLimit)
        const accept = admit(log, packet, 1 << 20)
        expect(packet._first > log._recv + 1).toBe(!!batch.gap)
        accept()
      }
      if (batch.breaks) expect(read).toThrow()
      else read()
      expect(log._recv).toBe(batch.recv)
    }
    const data = log._queue.filter((r) => !r._close).map((r) => ({ data: r._data, more: false }))
    expect(data.map((r) => (typeof r.data === 'string' ? r : { ...r, data: Buffer.from(r.data) }))).toEqual(
      expected(vector.messages!),
    )
  },
}

describe.each(vectorFiles())('%s', (_, file) => {
  const vectors = file.vectors.filter((v) => v.client !== 'may') // these a client may take or refuse
  test.each(vectors.map((v): [string, Vector] => [v.id, v]))('%s', (_, vector) => {
    const run = checks[file.form]
    if (!run) throw Error(`form ${file.form} is not known here`)
    run(vector)
  })
})

test('a large message is taken apart and put together again', () => {
  const text = 'x\\\n é漢😀'.repeat(40_000)
  const bytes = crypto.getRandomValues(new Uint8Array(65_536)).subarray(1)
  const log = newLogs()
  for (const data of [text, bytes] as (string | Uint8Array)[]) {
    for (const entry of prepare(data)._entries) {
      expect(Buffer.byteLength(entry._line)).toBeLessThanOrEqual(1536)
      admit(log, parse(`@${log._recv + 1} 0\n${entry._line}`, defaultLimit), 1 << 20)()
    }
  }
  expect(log._queue.map((r) => r._data)).toEqual([text, bytes])
})

test.each(['x'.repeat(10_000), new Uint8Array(10_000)])('the largest message is counted without its lines', (data) => {
  const read = (bound: number) => {
    const log = newLogs()
    for (const entry of prepare(data)._entries)
      admit(log, parse(`@${log._recv + 1} 0\n${entry._line}`, defaultLimit), bound)()
    return log._queue.length
  }
  expect(read(10_000)).toBe(1)
  expect(() => read(9999)).toThrow('too large')
})

test('names are of the length asked for, of the URL alphabet, and never the same', () => {
  const names = Array.from({ length: 200 }, () => randomName(12))
  for (const name of names) expect(name).toMatch(/^[\w-]{16}$/)
  expect(new Set(names).size).toBe(200)
})

export type { Octets }
