// The client machine decides; it does no I/O. What happens goes in through `tick` and the functions
// that it lets act. What is to be done comes out in `_effects` and `_deadline`, and `next` makes
// the bytes of a carrier when it can take them. Whoever runs the machine uses what this file
// exports, and writes none of its fields. session/internal/clientmachine is the same machine in Go:
// the same states and decisions, run by the same scenarios.

import type { Prepared } from '../wire/codec.js'
import { append, heldBytes, type Received } from '../wire/log.js'
import { endAttachment, forget } from './attachments.js'
import { waitForEnd } from './closing.js'
import { learnFromClose } from './learning.js'
import { recall } from './memory.js'
import { postFailed } from './posts.js'
import { newState, type Config, type Conn, type Machine } from './state.js'
import { step } from './step.js'
import { late } from './wake.js'

export { close, finish } from './closing.js'
export { due } from './effects.js'
export { received } from './input.js'
export { goodbye, next } from './output.js'
export { authFailed } from './refusals.js'
export { online, wake } from './wake.js'

export function newMachine(config: Config): Machine {
  const m = newState(config)
  recall(m)
  return m
}

/**
 * Lets one of the functions here act, unless the session is over, and then judges every deadline
 * (HF1-LIV-07). Without `act` it is a look at the clock, due at `_deadline` and allowed at any
 * time.
 */
export function tick(m: Machine, act?: () => void): void {
  m._now = m._config._clock()
  if (!m._closing._over) act?.()
  step(m)
}

/** Gives the credentials that the first connect, and later a `_ask`, waits for. */
export function authorized(m: Machine, auth: unknown): void {
  m._config._auth = auth
  m._refusals._waitAuth = false
  m._refusals._authAt = m._now
}

/** Appends a message. The caller has checked the bound. */
export function send(m: Machine, message: Prepared): void {
  if (!heldBytes(m._log)) m._liveness._progress = m._now
  append(m._log, message._entries)
}

/** The application has taken a message, or the peer's `!close`: only this moves the ack. */
export function taken(m: Machine, { _number, _cost, _close }: Received): void {
  m._log._taken = _number
  m._log._takenCost += _cost
  m._log._unread -= _cost
  if (_close) {
    m._closing._peer = _close
    m._closing._ackAt = m._now
    waitForEnd(m)
  }
}

/** A carrier has ended; `reason` is empty when the peer ended it in the regular way. */
export function closed(m: Machine, conn: Conn, reason: string): void {
  const { _attachment } = conn
  late(m) // before its end is judged
  if (!m._conns.includes(conn)) return
  forget(m, conn)
  if (!conn._by) {
    _attachment._penalized ||= learnFromClose(m, _attachment, true)
    endAttachment(m, _attachment, 4005, reason || 'ended')
  } else if (reason) postFailed(m, conn, reason)
}
