// Connecting: which transport is tried when, and what the server says to it (docs/protocol.md section 6).

import type { Kind } from './carriers.js'
import type { Fields } from './control.js'
import { dial, fault, finish, forget, kill } from './paths.js'
import { confirm, pingPath, use } from './select.js'
import { clamp, due, trace, type Conn, type Machine, type Path, type Transport, type Way } from './state.js'
import { takeRest } from './ways.js'

export const maxPaths = 4

const untry = (m: Machine) => {
  for (const way of m._ways) way._tried = false
}

/** A random time in 0 … min(30 s, 0.5 s × 2^tries) (HF1-LIV-12). */
const backoff = (m: Machine) => Math.min(30e3, 500 * 2 ** m._tries) * m._cfg._random()

/** The path in use has died. The first attempt is immediate; paths that die without use are tried ever more slowly. */
export function lost(m: Machine, path: Path): void {
  if (path._useful || path._proven) m._tries = 0
  m._raceAt = m._now + (m._tries ? backoff(m) : 0)
  m._tries++
  untry(m)
}

/** A path is in use again, or must be found anew: the race starts over at `at`; 0: none is planned. */
export function raceFrom(m: Machine, at: number): void {
  m._raceAt = at
  untry(m)
}

/** Keeps attempts going while the session has no good path: none at all, or one that may be dead (HF1-LIV-10). */
export function connect(m: Machine): void {
  const { _cur } = m
  if (m._waitAuth || (_cur && !_cur._suspect)) return
  const standby = m._paths.filter((p) => p !== _cur && p._state === 'open' && !p._suspect)
  if (standby[0]) {
    // Beside a suspect path the oldest will do; with no path in use, the best.
    const best = m._ways.map((way) => standby.find((p) => p._way === way)).find((p) => p)!
    if (use(m, _cur ? standby[0] : best) || _cur) return
  }
  const opening = m._paths.some((p) => p._state === 'opening')
  if (!opening) m._raceAt ||= m._now
  if (!due(m, m._raceAt)) return
  const way = nextWay(m, opening)
  if (!way || m._paths.length >= maxPaths) {
    if (opening) m._raceAt = 0 // wait for what is under way; kill plans the next
    else {
      // Every transport was tried and failed: wait, then try all again. The network is away, not the transports.
      m._tries++
      raceFrom(m, m._now + backoff(m))
      for (const w of m._ways) w._failed = false
      due(m, m._raceAt)
    }
    return
  }
  attach(m, way, _cur ? 0 : raceU(m))
  m._raceAt = m._now + clamp(2 * m._rtt, 250, 1e3)
  due(m, m._raceAt)
}

/** The u of the next open: racing opens share one (HF1-SEL-02), and there is one selection at a time (HF1-SEL-07). */
function raceU(m: Machine): number {
  if (mayRaise(m) && !m._paths.some((p) => p._state === 'opening' && p._u && p._u === m._u)) m._u++
  return m._u
}

/** The last u was confirmed, or every path it went out on was given up (HF1-SEL-07). */
export const mayRaise = (m: Machine): boolean =>
  m._heard >= m._u || !m._paths.some((p) => p._useU === m._u || (p._state === 'opening' && p._u === m._u))

/** The best transport that this race has not tried and that does not rest; when all rest, the one whose rest ends first. */
function nextWay(m: Machine, opening: boolean): Way | undefined {
  const untried = m._ways.filter((w) => !w._tried)
  return (
    untried.find((w) => w._rest <= m._now) ??
    // While something that did not rest is under way, none is woken.
    (opening && untried.length < m._ways.length
      ? undefined
      : untried.reduce<Way | undefined>((a, b) => (a && a._rest <= b._rest ? a : b), undefined))
  )
}

const kinds: Record<Transport, Kind> = { websocket: 'socket', sse: 'stream', longpoll: 'open' }

/** Opens a new attachment (HF1-ATT-01). */
export function attach(m: Machine, way: Way, u: number): void {
  way._tried = true
  const path: Path = {
    _att: ++m._atts,
    _way: way,
    _state: 'opening',
    _u: u,
    _down: undefined,
    _up: undefined,
    _challenge: '',
    _pos: 0,
    _ctl: '',
    _p: 0,
    _pollAt: 0,
    _useU: 0,
    _useAt: 0,
    _born: m._now,
    _openedAt: 0,
    _heard: m._now,
    _pingI: 0,
    _pingAt: 0,
    _pongs: 0,
    _stallPing: false,
    _beaconBy: 0,
    _proven: false,
    _useful: false,
    _suspect: false,
    _detached: false,
    _faults: 0,
    _leaveBy: 0,
    _batch: 0,
    _batchTo: 0,
  }
  m._paths.push(path)
  trace(m, 'attach', path, '')
  path._down = dial(m, path, kinds[way._name], 0)
}

/** The path can carry, down at least. */
export function opened(m: Machine, conn: Conn, o: Fields): void {
  const path = conn._path
  if (path._state !== 'opening') return
  if (o.recv > m._out._sent) return kill(m, path, 4302, 'recv above what was sent')
  if (!m._run) m._progress = m._now
  m._run = o.run
  m._id = o.id
  m._win = o.win
  m._maxBatch = o.lim.maxBatch
  m._maxMessage = o.lim.maxMessage
  m._ping = o.ping
  m._hold = o.hold
  path._state = 'open'
  path._challenge = o.challenge
  path._openedAt = m._now
  path._pos = Math.max(o.recv, m._out._base)
  m._known = Math.max(m._known, path._pos)
  m._unknownAt = 0
  m._reauthed = false
  if (path._way._name === 'sse') path._beaconBy = m._now + 1e3 + 2 * m._rtt // HF1-SSE-03
  if (conn._kind === 'open') forget(m, conn)
  // Another transport opened, so those that did not are at fault themselves.
  for (const way of m._ways) if (way._failed && way !== path._way) takeRest(m, way)
  path._way._failed = false
  trace(m, 'opened', path, '')
  confirm(m, o.sel)
  pingPath(m, path) // repeats the run (HF1-WHO-10) and measures the round trip
}

/** Acts on a refusal as docs/protocol.md tables it (HF1-ERR-04). */
export function refused(m: Machine, conn: Conn, { reason, retry }: Fields): void {
  const path = conn._path
  trace(m, 'refused', path, reason)
  let wait = 0
  switch (reason) {
    case 'unknown':
      wait = 1100
      unknown(m, path)
      break
    case 'auth':
      if (m._reauthed) return finish(m, 4301, reason, false)
      m._reauthed = m._waitAuth = true
      m._actions.push({ _do: 'auth' })
      break
    case 'origin':
    case 'policy':
      return finish(m, 4306, reason, false)
    case 'version':
      return finish(m, 4305, reason, false)
    case 'position':
    case 'malformed':
      return fault(m, path, { name: '', message: 'refused: ' + reason, code: reason === 'position' ? 4302 : 4303 })
    default:
      wait = retry ? Math.max(retry, 100) : 5e3
      wait += (m._cfg._random() * wait) / 2
  }
  if (m._over) return
  kill(m, path, 4004, 'refused ' + reason)
  if (wait && !m._cur) raceFrom(m, m._now + wait)
}

/** Unknown ends the session only if no other path lives and it is repeated over more than a second. */
function unknown(m: Machine, path: Path): void {
  if (m._paths.some((p) => p !== path && p._state === 'open' && !p._suspect)) return
  m._unknownAt ||= m._now
  if (m._now - m._unknownAt > 1e3) finish(m, 4204, 'unknown', false)
}
