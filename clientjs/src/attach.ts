// Connecting: which transport is tried when (docs/protocol.md sections 6 and 10).

import type { Fields } from './control.js'
import { dial, finish, forget, kill } from './paths.js'
import { confirm, pingPath, use } from './select.js'
import { clamp, due, hangs, Rest, sound, trace, type Conn, type Machine, type Path, type Way } from './state.js'

/** How many paths a session may have (HF1-ATT-04). */
const maxPaths = 4

/** The race starts over at `at`; 0: none is planned, since a path is in use. */
export function raceFrom(m: Machine, at = 0): void {
  m._raceAt = at
  for (const way of m._ways) way._tried = false
}

/** A random time in 0 … min(30 s, 0.5 s × 2^tries) (HF1-LIV-12). */
const backoff = (m: Machine) => Math.min(30e3, 500 * 2 ** m._tries) * m._random()

/** The path in use has died. The first attempt is immediate; paths that die without use are tried ever more slowly. */
export function lost(m: Machine): void {
  raceFrom(m, m._now + (m._tries ? backoff(m) : 0))
  m._tries++
}

/** Keeps attempts going while the session has no good path: none at all, or one that may be dead (HF1-LIV-10). */
export function connect(m: Machine): void {
  const { _cur } = m
  if (m._waitAuth || sound(m)) return
  const [best] = m._paths
    .filter((p) => p !== _cur && p._openedAt && !p._suspect && p._heard >= m._wokeAt)
    .sort((a, b) => a._way._rank - b._way._rank)
  if (best) {
    // Opens that carry the last u have the delay of a race to be answered; then they are given up, so that a selection may
    // be made (HF1-SEL-07). So is a path whose use was never answered.
    for (const path of m._paths)
      if (!_cur && !mayRaise(m) && opensWith(path, m._u) && due(m, path._heard + raceDelay(m)))
        kill(m, path, 4004, 'left')
    if (!use(m, best) && _cur) {
      kill(m, _cur, 4002, 'use unanswered')
      connect(m)
    }
    return
  }
  const opening = isOpening(m)
  if (!opening) m._raceAt ||= m._now
  if (!due(m, m._raceAt)) return
  const way = nextWay(m)
  if (way) {
    attach(m, way, _cur ? undefined : raceU(m))
    m._raceAt = m._now + raceDelay(m)
  } else if (opening) m._raceAt = m._now + hangs(m) // wait for what is under way; when it fails the next one starts at once
  else if (m._foreign && !m._server.run) finish(m, 4306, 'origin') // no POST could tell better
  else {
    // Every transport was tried and failed: wait, then try all again. The network is away, not the transports.
    m._tries++
    raceFrom(m, m._now + backoff(m))
    for (const w of m._ways) w._failed = false
  }
  due(m, m._raceAt)
}

/** The head start of an attempt before the next one (HF1-LIV-10). */
export const raceDelay = (m: Machine): number => clamp(2 * m._rtt, 250, 1e3)

/** How long after opened both beacons of a stream have come, if it is live (HF1-SSE-03). */
export const beaconTime = (m: Machine): number => 1e3 + 2 * m._rtt

/** The path is being opened with the selection `u`. */
const opensWith = (path: Path, u: number) => !path._openedAt && path._u === u

/** The u of the next open: racing opens share one (HF1-SEL-02), and there is one selection at a time (HF1-SEL-07). */
function raceU(m: Machine): number {
  if (mayRaise(m) && !m._paths.some((p) => opensWith(p, m._u))) m._u++
  return m._u
}

/** The last u was confirmed, or every path it went out on was given up (HF1-SEL-07). */
export const mayRaise = (m: Machine): boolean =>
  m._heardU >= m._u || !m._paths.some((p) => p._useBy || opensWith(p, m._u))

/**
 * The best transport that this race has not tried and that does not rest, the one that last proved itself before all; when
 * all rest, the one whose rest ends first.
 */
function nextWay(m: Machine): Way | undefined {
  const rest = (way: Way) => (way._facts[Rest]! > m._now ? way._facts[Rest]! : 0)
  const key = (way: Way) => rest(way) || (way === m._best ? -1 : way._rank)
  const [way] = m._ways.filter((w) => !w._tried).sort((a, b) => key(a) - key(b))
  // While something is under way that may yet open, none is woken.
  return way && rest(way) && m._paths.some((p) => !p._openedAt && m._now < p._born + hangs(m)) ? undefined : way
}

const isOpening = (m: Machine) => m._paths.some((p) => !p._openedAt)

/** Opens a new attachment (HF1-ATT-01). Room is made by the oldest that is not in use, as at the server (HF1-ATT-04). */
export function attach(m: Machine, way: Way, u?: number): void {
  if (m._paths.length >= maxPaths) kill(m, m._paths.find((p) => p !== m._cur)!, 4004, 'left')
  const path: Path = {
    _att: ++m._atts,
    _way: way,
    _u: u,
    _born: m._now,
    _heard: m._now,
    _spoke: 0,
    _gap: 0,
    _endured: 0,
    _openedAt: 0,
    _pos: 0,
    _ctl: '',
    _p: 0,
    _pause: 0,
    _pongs: 0,
    _faults: 0,
    _strays: 0,
    _underway: 0,
  }
  way._tried = true
  m._paths.push(path)
  trace(m, 'attach', path)
  dial(m, path, way._name === 'sse' ? 'stream' : way._name === 'longpoll' ? 'open' : 'socket', 0)
}

/** The path can carry, down at least. */
export function opened(m: Machine, path: Path, o: Fields, conn: Conn): void {
  if (path._openedAt) return
  if (!m._server.run) m._progress = m._now
  m._offline = false // whatever the platform believes
  m._server = o
  // Within the bounds that docs/protocol.md sets.
  o.ping = clamp(o.ping, 5e3, 25e3)
  o.hold = clamp(o.hold, 5e3, 25e3)
  m._unknownAt = 0
  m._reauthed = false
  path._challenge = o.challenge
  path._openedAt = m._now
  path._pos = Math.max(o.recv, m._base)
  m._known = Math.max(m._known, path._pos)
  if (path._way._name === 'sse') path._beaconBy = m._now + beaconTime(m)
  if (conn._kind === 'open') forget(m, conn)
  path._way._failed = false
  if (!sound(m)) {
    // The network may be another one (HF1-LIV-06).
    m._rtt = clamp((m._now - path._born) / 2, m._rtt, 5e3)
    m._slow ||= 1
  }
  trace(m, 'opened', path)
  confirm(m, o.sel)
  pingPath(m, path) // repeats the run (HF1-WHO-10) and measures the round trip
}
