// Time: every deadline is judged by the wall clock at every input (HF1-LIV-07).

import { connect, raceFrom } from './attach.js'
import { ask, cut, old } from './learn.js'
import { remember } from './memory.js'
import { finish, hangup, kill, pollAnew, postFailed } from './paths.js'
import { better, pingPath, sayUse, tidy } from './select.js'
import { lineWaits, pump } from './send.js'
import { due, isPoll, patience, Rests, slower, sound, trace, type Machine, type Path } from './state.js'
import { blameless, late } from './wake.js'
import { died, proved, settledAt, shrink, takeRest } from './ways.js'

/** Runs after every input: judges what is late, does what is due and plans the next deadline. */
export function step(m: Machine): void {
  late(m)
  // What one rule changes another has to judge; a few times is all it takes.
  m._again = true
  for (let rounds = 8; m._again && rounds && !m._over; rounds--) judge(m)
  if (m._over) m._deadline = 0
  else pump(m)
}

function judge(m: Machine): void {
  m._deadline = 0
  m._again = false
  // Lines go out now, and what the server promises from then on is judged below.
  if (m._cur && lineWaits(m, m._cur)) active(m)
  // The youngest first.
  for (const path of [...m._paths].reverse()) alive(m, path)
  for (const conn of [...m._conns].reverse())
    // The end of one may have ended others.
    if (m._conns.includes(conn) && due(m, conn._by)) {
      hangup(m, conn, 4002) // HF1-LIV-06
      pollAnew(m, conn._path)
      postFailed(m, conn, 'no answer')
    }
  const inUse = sound(m)
  if (inUse) {
    if (inUse._proven && !inUse._charged) m._best = inUse._way
    // What works shows that what did not open is at fault itself.
    for (const way of m._ways) if (way._failed && way !== inUse._way) takeRest(m, way)
    stalled(m, inUse)
    old(m, inUse)
  }
  connect(m)
  better(m)
  tidy(m)
  ending(m)
  remember(m)
}

/** Judges one path. */
function alive(m: Machine, path: Path): void {
  if (!path._openedAt) {
    if (due(m, path._heard + 10e3)) kill(m, path, 4002, path._way._name === 'sse' && m._cur ? 'held' : 'no answer') // HF1-LIV-06, HF1-SSE-08
    return
  }
  // HF1-LIV-09
  if (!path._proven && path._pongs && !path._beaconBy && !path._suspect && due(m, path._openedAt + 10e3)) {
    if (path === m._cur || path._pongs > 1) {
      path._proven = true
      m._tries = 0
      proved(path._way)
      trace(m, 'proven', path)
    } else if (!path._pingI) pingPath(m, path) // a path that stands by proves that it still answers
  }
  // HF1-LIV-13
  if (path._proven && !path._suspect && path._way._facts[Rests] && due(m, settledAt(path))) path._way._facts[Rests] = 0
  // HF1-SSE-03, HF1-SSE-08: its first bytes passed and then nothing until a buffer fills, or each event comes with the next.
  if (due(m, path._beaconBy) && !path._suspect) {
    if (!blameless(m, path)) takeRest(m, path._way)
    doubt(m, path, path._beacons ? 'one-behind' : 'threshold')
  }
  if (path._useBy && due(m, path._useAt)) sayUse(m, path)
  // A use asks for an answer as a ping does (HF1-LIV-04).
  if (due(m, path._useBy)) unanswered(m, path, 'use unanswered')
  ask(m, path)
  // HF1-LIV-05: how long a path may say nothing. The server promised more when lines began to come or go.
  const silentAt =
    path === m._cur && isActive(m)
      ? Math.max(path._heard, m._activeAt!) + 5750
      : path._heard + 1.5 * m._server.ping + 5e3
  if (!isPoll(path) && !path._suspect && due(m, silentAt)) doubt(m, path, 'silent')
}

export const isActive = (m: Machine): boolean => m._now - m._lastLog! < 30e3

/** Books that log lines come or go. */
export function active(m: Machine): void {
  if (!isActive(m)) m._activeAt = m._now
  m._lastLog = m._now
}

/** A reply says that the down path has lost something. */
function stalled(m: Machine, path: Path): void {
  if (m._sentDown > m._recv && due(m, m._sentAt + patience(m))) {
    m._sentDown = m._recv
    if (!pollAnew(m, path)) doubt(m, path, 'lines missing')
  }
}

/** Takes a path for perhaps dead: if it is the one in use another is opened beside it, else it is dropped. */
function doubt(m: Machine, path: Path, reason: string): void {
  if (path._suspect) return
  trace(m, 'suspect', path, reason)
  path._charged ||= cut(m, path)
  if (path !== m._cur) return kill(m, path, 4002, reason)
  path._suspect = true
  if (!path._charged) {
    died(m, path)
    shrink(path)
    path._charged = true // booked: its end is not charged twice
  }
  raceFrom(m, m._now)
}

/** A path that was asked in vain may be dead, or slower than was thought. */
export function unanswered(m: Machine, path: Path, reason: string): void {
  if (!path._suspect) slower(m)
  doubt(m, path, reason)
}

/** Leaves a path before it fails: another is attached beside it and selected when it is open. No pong keeps the old one. */
export function move(m: Machine, path: Path, reason: string): void {
  path._charged = true // nothing is wrong with it
  path._pingI = 0
  doubt(m, path, reason)
}

/** Waits for the last words (HF1-CLO-04). */
function ending(m: Machine): void {
  if (m._peerClosed && due(m, m._closeAck)) {
    // The ack is said again until closed comes.
    m._closeAck = m._now + patience(m)
    m._told = 0
    m._ackAt = m._now
    if (m._cur && !m._cur._pingI) pingPath(m, m._cur) // else nothing would tell that the path has died
    due(m, m._closeAck)
  }
  if (due(m, m._closeBy)) finish(m, 4100, '')
}
