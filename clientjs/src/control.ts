// The controls of docs/protocol.md and the check that their JSON must pass (HF1-BAT-11).

/** The fields of a control, as they are on the wire. Which of them are there, the check has seen to. */
export interface Fields {
  id: string
  run: string
  att: number
  i: number
  recv: number
  sent: number
  sel: { u: number; att: number }
  lim: { maxBatch: number; maxMessage: number }
  win: number
  ping: number
  hold: number
  ttl: number
  retry?: number
  code: number
  reason: string
  challenge: string
  gone?: boolean
}

/** A batch that breaks a rule; `code` is that of HF1-ERR-02. */
export interface Fault extends Error {
  code?: number
}

export function fail(why = 'malformed', code = 4303): never {
  throw Object.assign(Error(why), { code })
}

/**
 * The controls that servers send, and the fields that the protocol names for them. The mark in front tells a field's type:
 * `"` a string, `{` an object, `#` an array of numbers, `[` one of strings, `&` true or false, none a number. `?` says
 * that it may be missing. What servers do not send is not understood (HF1-BAT-10).
 */
export const controls: Record<string, string> = {
  '!opened': 'v [x? "id "run "node att recv {sel sel.u sel.att {lim lim.maxBatch lim.maxMessage win ping hold ttl "challenge',
  '!refused': '"reason #v? retry?',
  '!reply': 'recv sent {sel sel.u sel.att',
  '!detach': 'code &gone?',
  '!rewind': 'recv',
  '!ping': 'i',
  '!pong': 'i',
  '!close': 'code "reason',
  '!closed': 'code "reason recv ack',
  '?beacon': 'i',
  '?move': '',
}

/** How the text of a value must begin, by the mark of its type. */
export const begins: Record<string, RegExp> = {
  '"': /^"/,
  '{': /^\{/,
  '#': /^\[(\s*(0|[1-9]\d{0,15})\s*,?)*]/,
  '[': /^\[(\s*"(\\.|[^"])*"\s*,?)*]/,
  '&': /^[tf]/,
  '': /^(0|[1-9]\d{0,15})[\s,}]/, // HF1-BAT-04 holds in JSON too
}

/**
 * Reads the JSON of control `name`, sign included. JSON.parse keeps the last of two equal fields and forgets how a
 * number was written, so depth, duplicates and types are read off the text.
 */
export function parseFields(name: string, json: string): Fields {
  const spec = controls[name]
  if (spec == null && name[0] === '!') fail(name)
  const fields = JSON.parse(json) as Fields
  const values: Record<string, string> = {} // path → the text from the value on
  let depth = 0
  const names: string[] = [] // of the field that each depth is in
  for (const token of json.matchAll(/[[{]|[\]}]|("(?:\\.|[^"])*")(\s*:\s*)?/g)) {
    const [text, key, colon] = token
    if (colon) {
      names[depth] = JSON.parse(key!) as string
      const path = names.slice(1, depth + 1).join('.')
      // Of two equal fields nothing is kept, and nothing has no type.
      values[path] = path in values ? '' : json.slice(token.index + text.length)
    } else if (!key) {
      depth += /[[{]/.test(text) ? 1 : -1
      if (depth > 8) fail()
    }
  }
  for (const [, mark, path, optional] of (spec ?? '').matchAll(/([^\w ]?)([\w.]+)(\??)/g)) {
    const value = values[path!]
    if (value == null ? !optional : !begins[mark!]!.test(value) || (!mark && parseFloat(value) > 2 ** 53 - 1)) fail(path)
  }
  return fields
}
