// The books of attachments and of their carriers: how they begin, fail and end, and with them the session.

import { lost } from './attach.js'
import type { Kind } from './carriers.js'
import { encodeControl } from './codec.js'
import type { Fields } from './control.js'
import { holdFailed, mute } from './learn.js'
import { clamp, due, isPoll, sound, trace, unheard, type Conn, type Machine, type Path } from './state.js'
import { died, shrink } from './ways.js'

/** Queues a control for the path. */
export function say(path: Path, name: string, fields: object): void {
  path._ctl += encodeControl(name, fields)
}

/** Opens a carrier for a path. */
export function dial(m: Machine, path: Path, kind: Kind, by: number): void {
  const conn: Conn = { _kind: kind, _path: path, _born: m._now, _by: by, _first: true, _ctl: '' }
  m._conns.push(conn)
  m._actions.push((host) => host._dial(conn))
  due(m, by)
}

/** Drops a carrier whose outcome no longer matters. */
export function hangup(m: Machine, conn: Conn, code: number): void {
  forget(m, conn)
  m._actions.push((host) => host._hangup(conn, code))
}

/** Removes a carrier from the books. */
export function forget(m: Machine, conn: Conn): void {
  m._conns = m._conns.filter((c) => c !== conn)
}

/** How long a close waits for the final word (HF1-CLO-04). */
export const grace = 10e3

/** Ends a path that broke or is no longer wanted, and charges its transport if it died young (HF1-LIV-09). */
export function kill(m: Machine, path: Path, code: number, reason: string): void {
  const { _cur } = m
  if (!m._paths.includes(path)) return
  trace(m, 'died', path, reason)
  // 4004 and the like are no fault of the transport.
  if (code === 4005 || code === 4002 || code >= 4300) {
    died(m, path)
    shrink(path, code !== 4002)
  }
  m._paths = m._paths.filter((p) => p !== path)
  for (const conn of [...m._conns].reverse()) if (conn._path === path) hangup(m, conn, code)
  if (_cur === path) {
    m._cur = undefined
    lost(m)
  } else if (!sound(m) && m._raceAt && !path._openedAt) m._raceAt = m._now // the next attempt starts now
}

/**
 * One failure may be chance, and the request is made again with the same numbers (HF1-POL-05); two in a row end the path. Whoever
 * says that it is too much is asked less often, and no less at a time, which would only make more requests (HF1-POL-09).
 */
export function postFailed(m: Machine, conn: Conn, reason: string): void {
  const path = conn._path
  const busy = /status (429|503)/.test(reason)
  unsaid(m, conn)
  if (busy) path._postAt = m._now + (path._pause = clamp(2 * path._pause, 100, 2e3))
  else shrink(path, reason !== 'no answer')
  if (!holdFailed(m, conn) && ++path._faults > (busy ? 4 : 1)) mute(m, path, conn._born, reason)
}

/** Books that nobody knows whether a POST has arrived: its controls are said again, and the ack. */
export function unsaid(m: Machine, { _path, _ctl }: Conn): void {
  _path._ctl = _ctl + _path._ctl
  m._told = 0
}

/**
 * Gives the hanging poll up for another: its connection may have died without a sign, as that of a POST beside it has, or of the reply that
 * held the lines that are missing (HF1-LIV-05). Tells whether the path is one of polls.
 */
export function pollAnew(m: Machine, path: Path): boolean {
  const poll = m._conns.find((c) => c._path === path && c._kind === 'poll')
  if (poll) {
    hangup(m, poll, 4002)
    unsaid(m, poll)
  }
  return isPoll(path)
}

/** How long an old path is read. */
export const linger = 5e3

/** No more data on this path. It may be selected again, unless it is gone (HF1-SEL-08, HF1-SEL-09). */
export function detached(m: Machine, path: Path, { code, gone }: Fields): void {
  trace(m, 'detached', path)
  if (gone) return kill(m, path, code, 'detached')
  path._detached = true
  if (path !== m._cur) path._leaveBy ||= m._now + linger
}

/** Ends the path of a batch that breaks a rule; the same twice in a row, on two transports, ends the session (HF1-ERR-02). */
export function fault(m: Machine, path: Path, message: string, code: number): void {
  // What was restored is older than what was sent, as after a crash: numbers may have been used for other messages.
  if (code === 4302 && unheard(m)) return finish(m, 4202, message)
  // A message above the limit can never be taken (HF1-NUM-10).
  const again = code === 4304 || (m._faultCode === code && m._faultWay !== path._way)
  kill(m, path, code, message)
  if (again) finish(m, code, message)
  m._faultCode = code
  m._faultWay = path._way
}

/**
 * Ends the session and tells the fate of its messages (HF1-CLO-05). `recv` is how much of our log the peer has taken, by
 * its final word; undefined if there was none.
 */
export function finish(m: Machine, code: number, reason: string, remote = false, recv?: number): void {
  const peer = m._peerClosed
  if (m._over) return
  // The numbers of messages are those of their last lines; !close is none.
  const rest = m._entries.flatMap(({ _cost, _more }, i) => (_cost && !_more ? m._base + i + 1 : []))
  const final = recv !== undefined
  m._over = {
    code: peer?.code ?? code,
    reason: peer?.reason ?? reason,
    remote: remote || !!peer,
    session: m._server.id ?? '',
    delivered: m._base,
    notDelivered: final ? rest : [],
    unknown: final ? [] : rest,
  }
  for (const conn of m._conns) hangup(m, conn, code)
  m._paths = []
  m._cur = undefined
  m._actions.push((host) => host._end())
}

