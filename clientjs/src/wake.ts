// Waking: the process, the page or the network has come back, and what is dead is to be found now (HF1-LIV-14).

import { raceDelay, raceFrom } from './attach.js'
import { grace } from './paths.js'
import { pingPath } from './select.js'
import type { Machine, Path } from './state.js'

/** Asks the path in use, and takes it for dead unless the answer comes before another is attached beside it. */
export function wake(m: Machine): void {
  const { _cur, _now } = m
  if (_now - m._wokeAt < 1e3) return // one wake says as much as many
  m._wokeAt = _now
  m._again = true
  m._tries = 0
  if (m._closeBy) m._closeBy = _now + grace
  raceFrom(m, _cur ? (_cur._suspect ? _now : _now + raceDelay(m)) : Math.max(_now, m._notBefore ?? 0))
  if (_cur) {
    _cur._suspect = true
    pingPath(m, _cur)
  }
}

/** An input long after the planned deadline: the process slept, or its timers did. */
export function late(m: Machine): void {
  if (m._deadline && m._now - m._deadline > 5e3) wake(m)
}

/** The path's end says nothing of its transport: there was no network, or the client slept. */
export const blameless = (m: Machine, path: Path): boolean | undefined =>
  m._offline || (path._born < m._wokeAt && m._now - m._wokeAt < 5e3)
