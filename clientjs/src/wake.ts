// Waking: the process, the page or the network has come back, and what is dead is to be found now (HF1-LIV-14).

import { beaconTime, maxPaths, nextWay, raceDelay, raceFrom } from './attach.js'
import { grace, kill } from './paths.js'
import { pingPath } from './select.js'
import { patience, type Machine, type Path } from './state.js'

/** Trusts every path once more, since what it said may wait unread, asks the one in use, and ends the waiting of those who wait. */
export function wake(m: Machine): void {
  const { _cur, _now } = m
  // One wake says as much as many; and asked again and again, a dead path would never be found out.
  if (_now - m._wokeAt < 1e3 || (_cur && asking(m, _cur) && _now < pongBy(m, _cur))) return
  m._wokeAt = m._progress = m._sentAt = _now
  m._again = true
  const afresh = (at = 0, wait: number) => at && Math.max(at, _now + wait)
  let passed = !_cur || _cur._suspect
  for (const path of m._paths)
    if (!path._openedAt && _now < path._heard + raceDelay(m)) passed = false // the next attempt would come too soon
    else {
      path._heard = _now
      path._useBy = afresh(path._useBy, 2 * patience(m))
      path._beaconBy = afresh(path._beaconBy, beaconTime(m))
    }
  for (const conn of m._conns) conn._by = afresh(conn._by, patience(m))
  m._closeBy = afresh(m._closeBy, grace)
  if (_cur) pingPath(m, _cur)
  if (!passed) return
  if (!nextWay(m)) {
    // All were tried, and none has opened: they may have begun in another network.
    raceFrom(m)
    const opening = m._paths.find((p) => !p._openedAt)
    if (opening && m._paths.length >= maxPaths) kill(m, opening, 4004, 'no room')
  }
  m._tries = 0
  m._raceAt = Math.max(_now, m._notBefore ?? 0)
}

/** Tells what the platform believes of the network. Without one, nothing that fails is a transport's fault (HF1-LIV-15). */
export function online(m: Machine, on: boolean): void {
  m._offline = !on
  if (on) wake(m)
}

/** An input long after the planned deadline: the process slept, or its timers did. */
export function late(m: Machine): void {
  if (m._deadline && m._now - m._deadline > 5e3) wake(m)
}

/** The path has not answered since the client woke. */
export const asking = (m: Machine, path: Path): boolean => !!path._pingI && path._pingAt === m._wokeAt

/** When the answer to the ping under way is due. */
export const pongBy = (m: Machine, path: Path): number =>
  path._pingAt! + (asking(m, path) ? Math.min(patience(m), 3e3) : patience(m))

/** The path's end says nothing of its transport: there was no network, or the client slept. */
export const blameless = (m: Machine, path: Path): boolean | undefined =>
  m._offline || (path._born <= m._wokeAt && m._now - m._wokeAt < 5e3)
