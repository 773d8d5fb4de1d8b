// Batches, section 2 of docs/protocol.md: read strictly, and the lines that a message becomes.

const LINE = 1536 // HF1-BAT-08

export const line = (name, fields) => `!${name} ${JSON.stringify(fields)}`
export const fail = (reason, fields) => { throw Object.assign(new Error(), { refused: { reason, ...fields } }) }
export const must = (ok, reason = 'malformed') => ok || fail(reason)
export const status = code => { throw Object.assign(new Error(), { status: code }) }

// The controls that a client may send: in which bodies (HF1-ERR-05), and the fields with their
// types (HF1-BAT-11).
const CONTROLS = {
  '!open': 'open | v:N x:S? key:s run:s? att:1 u:1? recv:n lim:lim auth:any? meta:any?',
  '!poll': 'poll | key:s run:s att:1 p:1 recv:n hold:n?',
  '!up': 'up | key:s run:s att:1',
  '!use': 'up poll | u:1 att:1 challenge:s recv:n',
  '!detach': 'up | code:n gone:true?', '!rewind': 'up | recv:n',
  '!ping': 'up poll | i:n', '!pong': 'up poll | i:n',
  '!ticket': 'up | att:1 u:1? recv:n', // without event streams there is none to give
  '!close': 'open poll up | code:n reason:s', '?beacon': '|', '?move': '|'
}
const TYPES = {
  n: v => typeof v === 'number', 1: v => TYPES.n(v) && v >= 1, s: v => typeof v === 'string', true: v => v === true,
  any: () => true, N: v => Array.isArray(v) && v.every(TYPES.n), S: v => Array.isArray(v) && v.every(TYPES.s),
  lim: v => v !== null && typeof v === 'object' && !Array.isArray(v) &&
    (!Object.hasOwn(v, 'maxBatch') || TYPES.n(v.maxBatch))
}
const isNumber = text => /^(0|[1-9]\d{0,15})$/.test(text) && Number(text) <= Number.MAX_SAFE_INTEGER // HF1-BAT-04

// JSON.parse hides how numbers were written and which names came twice, so this checks the tokens
// as well.
function readJSON (text, spec) {
  let all
  try { all = JSON.parse(text) } catch { fail('malformed') }
  must(/^\{.*\}$/s.test(text))
  const path = [], seen = new Set()
  for (const [t] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    if (t === '{' || t === '[') must(path.push('') <= 8) // HF1-BAT-11
    if (t === '}' || t === ']') path.pop()
    if (!t.endsWith(':')) continue
    path[path.length - 1] = JSON.parse(t.slice(0, -1))
    const name = JSON.stringify(path)
    must(!seen.has(name) || !(path.length === 1 ? spec.some(([n]) => n === path[0]) : name === '["lim","maxBatch"]'))
    seen.add(name)
  }
  // a number in a form that the protocol does not allow counts as null
  const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g
  const strict = JSON.parse(text.replace(token, t => t[0] === '"' || isNumber(t) ? t : 'null'))
  for (const [name, type] of spec) {
    must(Object.hasOwn(all, name) ? TYPES[type.replace('?', '')](strict[name]) : type.endsWith('?'))
  }
  return all
}

function readLine (text, kind) {
  const [log, plus, type, rest] = /^(\+?)([tb])(.*)$/s.exec(text) ?? []
  if (log) {
    const data = type === 'b' ? Buffer.from(rest, 'base64')
      : Buffer.from(rest.replace(/\\./g, e => ({ '\\\\': '\\', '\\n': '\n', '\\r': '\r' })[e]))
    // HF1-BAT-02; HF1-BAT-03: base64 is right if it is the same when it is written again
    must(type === 't' ? /^[^\\]*(\\[\\nr][^\\]*)*$/.test(rest) : data.toString('base64') === rest)
    return { more: plus === '+', type, data }
  }
  const [, name, json] = /^([!?][a-z][a-z0-9-]{0,31})(?: (.*))?$/s.exec(text) ?? fail('malformed')
  const known = Object.hasOwn(CONTROLS, name)
  const [places, spec] = (known ? CONTROLS[name] : '|').split('|').map(part => part.split(' ').filter(Boolean))
  // HF1-BAT-11, HF1-ERR-05, HF1-BAT-10
  must(Buffer.byteLength(text) + 1 <= 8192 && (known ? places.includes(kind) : name[0] === '?'))
  const fields = json === undefined && !known ? {} : readJSON(json ?? '', spec.map(field => field.split(':')))
  if (name !== '!close') return { name, known, fields: known ? fields : {} }
  must(fields.code >= 4100 && fields.code <= 4399 && Buffer.byteLength(fields.reason) <= 128) // HF1-CLO-01
  return { type: 'close', data: Buffer.alloc(0), fields }
}

// HF1-CLO-01: no line follows a close; HF1-BAT-09: a piece is continued by its type
export const follows = (before, item) => must(before?.type !== 'close' && (!before?.more || before.type === item.type))

// HF1-BAT-01: all of a batch is read before any of it acts.
export function readBatch (lines, kind) {
  // HF1-BAT-12: the mark is ignored
  const [, first, ack] = /^@(\d+) (\d+)(?: [A-Za-z0-9_-]{1,64})?$/.exec(lines[0]) ?? fail('malformed')
  must(isNumber(first) && isNumber(ack) && !lines.some(text => text.includes('\r'))) // HF1-BAT-04, -06
  const batch = { first: Number(first), ack: Number(ack), logs: [], controls: [] }
  for (const [i, text] of lines.slice(1).entries()) {
    const item = readLine(text, kind)
    must((i === 0) === (item.name === '!' + kind)) // HF1-HTTP-09
    if (item.type) follows(batch.logs.at(-1), item)
    batch[item.type ? 'logs' : 'controls'].push(item)
  }
  must(lines.length > 1 && batch.first >= 1 && batch.first + batch.logs.length <= Number.MAX_SAFE_INTEGER) // HF1-BAT-04
  const { key } = batch.address = batch.controls.shift().fields
  must(/^[A-Za-z0-9_-]{43}$/.test(key) && Buffer.from(key, 'base64url').toString('base64url') === key) // HF1-WHO-01
  return batch
}

// HF1-BAT-08: the lines of a message, { text, cost }, of at most LINE bytes; the window counts cost
// (HF1-NUM-10).
export function split (data) {
  const parts = ['']
  if (typeof data !== 'string') {
    for (let i = 0; i === 0 || i < data.length; i += 1149) {
      parts[i / 1149] = data.subarray(i, i + 1149).toString('base64')
    }
  }
  let size = 0
  for (let c of typeof data === 'string' ? data : '') { // by scalar value, and an escape stays whole
    c = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' }[c] ?? c
    const bytes = c < '\x80' ? c.length : Buffer.byteLength(c)
    if ((size += bytes) > LINE - 3) size = parts.push('') && bytes
    parts[parts.length - 1] += c
  }
  const sign = i => (i < parts.length - 1 ? '+' : '') + (typeof data === 'string' ? 't' : 'b')
  return parts.map((text, i) => ({ text: sign(i) + text, cost: Buffer.byteLength(text) + 16 }))
}
