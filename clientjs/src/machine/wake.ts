// The process, the page or the network is back, and what is dead is to be found now (HF1-LIV-14).

import { ping } from './attachments.js'
import { attemptDelay, forgetRefusal, startRace } from './backoff.js'
import { extendClose } from './closing.js'
import type { Machine } from './state.js'

/**
 * Pings the attachment in use, and takes it for dead unless the pong comes before another is
 * attached beside it.
 */
export function wake(m: Machine): void {
  const { _current } = m
  if (m._now - m._liveness._wokeAt < 1e3) return // one wake says as much as many
  m._liveness._wokeAt = m._now
  m._again = true
  m._race._tries = 0
  forgetRefusal(m)
  m._refusals._askAt &&= m._now
  extendClose(m)
  if (_current) {
    startRace(m, _current._suspect ? m._now : m._now + attemptDelay(m))
    _current._suspect = true
    ping(m, _current)
  } else startRace(m, Math.max(m._now, m._race._notBefore ?? 0))
}

/** An input long after the planned deadline: the process slept, or its timers did. */
export function late(m: Machine): void {
  if (m._deadline && m._now - m._deadline > 5e3) wake(m)
}

/** What the platform believes of the network (HF1-LIV-15). `awake`: the page is shown. */
export function online(m: Machine, on: boolean, awake: boolean): void {
  m._liveness._offline = !on
  if (on && awake) wake(m)
}
