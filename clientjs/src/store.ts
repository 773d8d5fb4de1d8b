// A session that is kept beyond its page: what `connect` wants of a store, and what a session needs
// to go on, taken from one machine and given to a new one.

import type { Machine } from './machine/state.js'
import type { Events, Message, Store } from './types.js'
import { byteLength, encodeEntry, randomName, type Entry } from './wire/codec.js'
import { append, lastNumber } from './wire/log.js'

/** What `connect` calls of a `Store`; it is not public. */
export interface StoreHooks extends Store {
  /** A machine starts, the first or by renewal. */
  _start(
    m: Machine,
    emit: (type: 'unstored', event: Events['unstored']) => void,
    dispatch: (act?: () => void) => void,
  ): void
  /** Called before anything is sent: what the next page needs is to be written down. */
  _keep(m: Machine): void
  /** No machine will start any more. */
  _end?(): void
  /**
   * The application takes a message, or the peer's `!close` without one; it is acknowledged once
   * `done` was called, in order.
   */
  _take?(message: Message | undefined, done: () => void): void
}

/** What a session needs to go on, its lines aside. */
export interface Head {
  key: string
  run: string | undefined
  id: string | undefined
  /** The highest attachment and selection used. */
  att: number
  u: number
  /**
   * The application has taken the server's lines up to this one: what came after it comes again.
   */
  recv: number
  /** The server's application has taken our lines up to this one; those up to `last` are kept. */
  ack: number
  last: number
  /** When the session began to be kept: ms since 1970. */
  since: number
}

/**
 * The server drops a session 20 s after its start, unless the client repeats its run (HF1-WHO-10).
 * A start in the future tells that the clock was set back, and not how old it is.
 */
export const unanswered = ({ run, since }: Head): boolean => !run && Math.abs(Date.now() - since) > 15e3

export const headOf = ({ _config, _server, _race, _selection, _log }: Machine, since: number): Head => ({
  key: _config._key,
  run: _server.run,
  id: _server.id,
  att: _race._atts,
  u: _selection._u,
  recv: _log._taken,
  ack: _log._base,
  last: lastNumber(_log),
  since,
})

/** Lets a machine that has not started go on where another stopped. */
export function restore(m: Machine, head: Head, line: (n: number) => string): void {
  const { key, run, id, att, u, recv, ack, last } = head
  const { _log, _server } = m
  m._config._key = key
  // Messages may have been delivered to a session that is gone: no second one may get them, and a
  // run that no server knows brings the end of this one and their fates.
  if (run || unanswered(head)) _server.run = run ?? randomName(12)
  if (id) _server.id = id
  m._race._atts = att
  m._selection._u = u
  _log._recv = _log._taken = recv
  _log._base = ack
  for (let n = ack; n++ < last; ) append(_log, [entry(line(n))])
  _log._sent = last // any of them may have been sent
}

/** A line of the log as `prepare` made it. */
function entry(line: string): Entry {
  const [, plus, rest, text] = /^(\+?)(.([^]*)\n)$/.exec(line)!
  const raw = rest![0] === 'b' ? Uint8Array.from(atob(text!), (c) => c.charCodeAt(0)) : undefined
  // An escape stands for one byte.
  return encodeEntry(rest!, 16 + (raw ? raw.length : byteLength(text!.replace(/\\./g, '.'))), !!plus, raw)
}
