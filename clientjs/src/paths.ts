// The books of attachments and of their carriers: how they begin, fail and end, and with them the session.

import { encodeControl } from './codec.js'
import type { Kind } from './carriers.js'
import type { Fault, Fields } from './control.js'
import { due, trace, type Conn, type Machine, type Path } from './state.js'
import { died, shrink } from './ways.js'
import { lost } from './attach.js'

/** Queues a control for the path. */
export function say(path: Path, name: string, fields: object): void {
  path._ctl += encodeControl(name, fields)
}

/** Opens a carrier for a path. */
export function dial(m: Machine, path: Path, kind: Kind, by: number): Conn {
  const conn: Conn = { _id: ++m._ids, _kind: kind, _path: path, _born: m._now, _by: by, _first: true, _ctl: '' }
  m._conns.push(conn)
  m._actions.push({ _do: 'dial', _conn: conn._id, _kind: kind })
  due(m, by)
  return conn
}

/** Drops a carrier whose outcome no longer matters. */
export function hangup(m: Machine, conn: Conn, code: number): void {
  forget(m, conn)
  m._actions.push({ _do: 'hangup', _conn: conn._id, _code: code })
}

/** Removes a carrier from the books. */
export function forget(m: Machine, conn: Conn): void {
  const path = conn._path
  m._conns = m._conns.filter((c) => c !== conn)
  if (path._down === conn) path._down = undefined
  if (path._up === conn) path._up = undefined
}

/** Ends a path that broke or is no longer wanted, and charges its transport if it died young (HF1-LIV-09). */
export function kill(m: Machine, path: Path, code: number, reason: string): void {
  if (path._state === 'gone') return
  trace(m, 'died', path, reason)
  if (code === 4005 || code === 4002 || code >= 4300) {
    died(m, path)
    shrink(path)
  }
  path._state = 'gone'
  for (const conn of m._conns) if (conn._path === path) hangup(m, conn, code)
  m._paths = m._paths.filter((p) => p !== path)
  if (m._cur === path) {
    m._cur = undefined
    lost(m, path)
  } else if ((!m._cur || m._cur._suspect) && m._raceAt && !path._openedAt) m._raceAt = m._now // an attempt failed: the next one starts now
}

/** One failure may be chance, and the request is made again with the same numbers (HF1-POL-05); two in a row end the path. */
export function postFailed(m: Machine, conn: Conn, reason: string): void {
  const path = conn._path
  path._ctl = conn._ctl + path._ctl
  if (++path._faults > 1) kill(m, path, 4005, reason)
}

/** Books a poll's answer; empty answers in haste are slowed down (HF1-POL-07). */
export function polled(m: Machine, conn: Conn, useful: boolean): void {
  if (useful || m._now - conn._born > 100) m._empties = 0
  else if (++m._empties > 2) {
    m._empties = 0
    conn._path._pollAt = m._now + 1e3
  }
}

/** No more data on this path. It may be selected again, unless it is gone (HF1-SEL-08, HF1-SEL-09). */
export function detached(m: Machine, path: Path, { code, gone }: Fields): void {
  trace(m, 'detached', path, '')
  if (gone) return kill(m, path, code, 'detached')
  path._detached = true
  if (path !== m._cur) path._leaveBy ||= m._now + linger
}

/** How long an old path is read. */
export const linger = 5e3

/** Ends the path of a batch that breaks a rule; the same twice in a row, on two transports, ends the session (HF1-ERR-02). */
export function fault(m: Machine, path: Path, { code, message }: Fault): void {
  // What the platform throws has no code, or none of ours.
  const known = code! > 4e3 ? code! : 4303
  const again = m._faultCode === known && m._faultWay !== path._way
  kill(m, path, known, message)
  if (again) finish(m, known, message, false)
  m._faultCode = known
  m._faultWay = path._way
}

/** Ends the session; fates are read from the log and `_over` (HF1-CLO-05). */
export function finish(m: Machine, code: number, reason: string, remote: boolean, recv?: number): void {
  if (m._over) return
  m._over = { _code: code, _reason: reason, _remote: remote, _recv: recv }
  for (const path of m._paths) path._state = 'gone'
  for (const conn of m._conns) hangup(m, conn, code)
  m._paths = []
  m._cur = undefined
  m._actions.push({ _do: 'over' })
}
