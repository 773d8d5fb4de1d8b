// Which path carries the session: selection, promotion and what is left behind (docs/protocol.md section 7).

import { attach, mayRaise, raceFrom } from './attach.js'
import type { Fields } from './control.js'
import { speaks } from './learn.js'
import { kill, linger, say } from './paths.js'
import { clamp, due, Limit, patience, Rest, sound, trace, type Machine, type Path } from './state.js'
import { stored } from './stored.js'
import { carried } from './ways.js'

/** Reads a selection that the server states: a path is ours only if it is named with our own highest u (HF1-SEL-06). */
export function confirm(m: Machine, { u, att }: Fields['sel']): void {
  const path = m._paths.find((p) => p._att === att && p._openedAt)
  m._heardU = Math.max(m._heardU, u)
  if (stored) m._u = Math.max(m._u, u) // HF1-SEL-07, when restored
  if (u !== m._u || !path) return
  path._useBy = 0
  choose(m, path)
}

/** Makes it the path in use; the old one is read a while longer. */
function choose(m: Machine, path: Path): void {
  const old = m._cur
  m._cur = path
  path._detached = false
  path._leaveBy = 0
  if (old === path) return // no news, and no end of what is tried beside it
  raceFrom(m)
  trace(m, 'selected', path)
  m._progress = m._now
  m._told = 0 // nothing proves that the last ack arrived
  if (old) old._leaveBy = m._now + linger
}

/** Selects a path that stands by, if a selection may be made now (HF1-SEL-03, HF1-SEL-07). */
export function use(m: Machine, path: Path): boolean {
  if (!mayRaise(m)) return false
  m._u++
  path._useBy = m._now + 2 * patience(m)
  sayUse(m, path)
  choose(m, path)
  return true
}

/** Sends use, and again until it is answered (HF1-SEL-04). */
export function sayUse(m: Machine, path: Path): void {
  path._useAt = m._now + patience(m) / 2
  due(m, path._useAt)
  say(path, 'use', { u: m._u, att: path._att, challenge: path._challenge, recv: m._recv })
}

/** Reads what every POST reply says, and the answer to use. */
export function replied(m: Machine, path: Path, { recv, sent, sel }: Fields): void {
  path._strays = 0
  if (recv > m._known) {
    m._known = recv
    m._tries = 0
    carried(path, recv) // the application's ack may lag behind many POSTs
  }
  // Since then; a server that goes on sending moves no deadline.
  if (m._sentDown <= m._recv) m._sentAt = m._now
  m._sentDown = Math.max(m._sentDown, sent)
  confirm(m, sel)
}

/** Asks for a sign of life on a path. */
export function pingPath(m: Machine, path: Path): void {
  path._pingI = ++m._pings
  path._pingAt = m._now
  speaks(m, path)
  say(path, 'ping', { i: m._pings })
}

/** Closes a round trip. */
export function ponged(m: Machine, path: Path, { i }: Fields): void {
  if (!i || i !== path._pingI) return
  const rtt = clamp(m._now - path._pingAt!, 1, 5e3) // longer ones are a suspended page's
  // What was lost while it was given too little time says nothing of sizes (HF1-ATT-07).
  for (const { _facts, _before } of m._ways) _before[Limit] = _facts[Limit] = (4 * rtt > patience(m) ? _before : _facts)[Limit]!
  m._rtt = m._slow ? rtt : (7 * m._rtt + rtt) / 8
  m._slow = 0
  path._pingI = 0
  path._pongs++
  path._faults = 0 // what was posted has arrived, if not its answer
  if (path !== m._cur) return
  m._progress = m._now
  if (!path._beaconBy) path._suspect = false
}

/** The session is to go on, and may do so on another path. */
export const mayMove = (m: Machine): boolean => !m._waitAuth && !m._closing && !m._peerClosed

/** Keeps looking for a better transport than the one in use, and promotes it when it is proven (HF1-LIV-11). */
export function better(m: Machine): void {
  const inUse = sound(m)
  if (!inUse || inUse._useBy || !mayMove(m)) return
  for (const way of m._ways) {
    if (way === inUse._way) return
    const path = m._paths.find((p) => p._way === way && !p._leaveBy)
    if (path) {
      if (path._openedAt && path._proven) use(m, path)
    } else if (way._facts[Rest]! > m._now) {
      due(m, way._facts[Rest])
      continue
    } else attach(m, way)
    return // one at a time, the best first
  }
}

/** Closes what is no longer wanted: an old path after its linger, and worse ones once the path in use is proven. */
export function tidy(m: Machine): void {
  const { _cur } = m
  if (_cur && !_cur._useBy)
    for (const path of m._paths)
      if (path === _cur) continue
      else if (path._leaveBy) {
        if (path._detached || due(m, path._leaveBy)) kill(m, path, 4004, 'left')
      } else if (_cur._proven && !_cur._suspect && path._way._rank >= _cur._way._rank) kill(m, path, 4004, 'left')
}
