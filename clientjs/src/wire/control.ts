// The controls of docs/protocol.md and the check that their JSON must pass (HF1-BAT-11).

/**
 * The fields of a control, as they are on the wire. Which of them are there, the check has seen to.
 */
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

/** Throws for what breaks a rule; the cause is the code of HF1-ERR-02. */
export function fail(why = 'malformed', code = 4303): never {
  throw Error(why, { cause: code })
}

const sel = { u: 0, att: 0 }

/**
 * The controls that servers send, each with an example of the fields that this client reads and
 * cannot do without.
 */
export const examples: Record<string, object> = {
  '!opened': {
    id: '',
    run: '',
    att: 0,
    recv: 0,
    sel,
    lim: { maxBatch: 0, maxMessage: 0 },
    win: 0,
    ping: 0,
    hold: 0,
    challenge: '',
  },
  '!refused': { reason: '' },
  '!reply': { recv: 0, sent: 0, sel },
  '!detach': { code: 0 },
  '!rewind': { recv: 0 },
  '!ping': { i: 0 },
  '!pong': { i: 0 },
  '!close': { code: 0, reason: '' },
  '!closed': { code: 0, reason: '', recv: 0 },
  '?beacon': { i: 0 },
}

/**
 * The value is of the example's type and has whatever the example has; numbers are natural ones
 * (HF1-BAT-04, HF1-BAT-11).
 */
const isLike = (value: any, example: any): boolean =>
  typeof value === typeof example &&
  (typeof value === 'number'
    ? Number.isSafeInteger(value) && value >= 0
    : typeof value === 'string' || Object.keys(example).every((name) => isLike(value?.[name], example[name])))

/**
 * Reads the JSON of control `name`, sign included. What servers do not send is not understood
 * (HF1-BAT-10).
 */
export function parseFields(name: string, json: string): Fields {
  const fields = JSON.parse(json) as Fields
  if (!isLike(fields, examples[name] ?? (name[0] === '!' ? fail() : {}))) fail()
  return fields
}
