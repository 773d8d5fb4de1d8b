// What a session needs to go on in another page: taken from a machine, and given to a new one.

import { byteLength, encodeEntry, randomName, type Entry } from './codec.js'
import { append, lastNumber } from './log.js'
import type { Machine } from './state.js'

/** What a session needs to go on, its lines aside. */
export interface Head {
  key: string
  run: string | undefined
  id: string | undefined
  /** The highest attachment and selection used. */
  att: number
  u: number
  /** The application has taken the server's lines up to this one: what was received beyond it comes again. */
  recv: number
  /** The server's application has taken our lines up to this one; those up to `last` are kept. */
  ack: number
  last: number
  /** When the session began to be kept: ms since 1970. */
  since: number
}

/** The server drops a session 20 s after its beginning, unless the client has told its run by then (HF1-WHO-10). */
export const unanswered = ({ run, since }: Head) => !run && Date.now() - since > 15e3

export const headOf = (m: Machine, since: number): Head => ({
  key: m._key,
  run: m._server.run,
  id: m._server.id,
  att: m._atts,
  u: m._u,
  recv: m._taken,
  ack: m._base,
  last: lastNumber(m),
  since,
})

/** Lets a machine that has not begun go on where another stopped. */
export function restore(m: Machine, head: Head, line: (n: number) => string): void {
  const { key, run, id, att, u, recv, ack, last } = head
  m._key = key
  // Messages may have been delivered to a session that is gone: no second one may get them, and a run that no server
  // knows brings the end of this one and their fates.
  if (run || unanswered(head)) m._server.run = run ?? randomName(12)
  if (id) m._server.id = id
  m._atts = att
  m._u = u
  m._recv = m._taken = recv
  m._base = ack
  for (let n = ack; n++ < last; ) append(m, [entry(line(n))])
  m._sent = last // any of them may have been sent
}

/** A line of the log as `encodeMessage` made it. */
function entry(line: string): Entry {
  const [, plus, rest, text] = /^(\+?)(.([^]*)\n)$/.exec(line)!
  const raw = rest![0] === 'b' ? Uint8Array.from(atob(text!), (c) => c.charCodeAt(0)) : undefined
  // An escape stands for one byte.
  return encodeEntry(rest!, 16 + (raw ? raw.length : byteLength(text!.replace(/\\./g, '.'))), !!plus, raw)
}
