// What the client learns of a network from how paths die. One death is chance; two alike are a rule: docs/decisions/0005.

import { isActive, move, unanswered } from './alive.js'
import { kill } from './paths.js'
import { mayMove, pingPath } from './select.js'
import { Age, due, Hold, Idle, isPoll, patience, slower, type Conn, type Machine, type Path, type Way } from './state.js'
import { blameless } from './wake.js'
import { takeRest } from './ways.js'

/** When a byte last went over the path's own carrier, either way. What is posted for a stream goes another. */
const last = (path: Path) => Math.max(path._spoke, path._heard)

/** Books that a byte goes out, or that one is asked for, and the silence before it. */
export function speaks(m: Machine, path: Path): void {
  path._gap = Math.max(path._gap, m._now - last(path))
}

/** Books that a byte has come: the path lived through the silence before it. */
export function hears(m: Machine, path: Path): void {
  speaks(m, path)
  path._endured = Math.max(path._endured, path._gap)
  path._gap = 0
  path._heard = m._now
}

/** Two values in a row that are within a part-th are a rule, the lower of them. Tells whether that is a new thing to know. */
function learn({ _facts, _before }: Way, fact: number, value: number, part: number): boolean {
  const before = _before[fact]!
  _before[fact] = value
  return Math.abs(value - before) <= before / part && lower(_facts, fact, Math.min(value, before))
}

/** Keeps the lower one, and tells whether it is new. */
function lower(facts: number[], fact: number, value: number): boolean {
  if (facts[fact] && value >= facts[fact]) return false
  facts[fact] = value
  return true
}

/**
 * Learns from the end of a path that was open, and tells whether that is a new thing to know. `visible`: the carrier has
 * ended; else the client no longer believes in it.
 */
export function cut(m: Machine, path: Path, visible?: boolean): boolean {
  const way = path._way
  if (!path._openedAt || path._charged || path._beaconBy || isPoll(path) || blameless(m, path)) return false
  const silence = visible ? Math.max(path._gap, m._now - last(path)) : path._gap
  if (!visible && !silence) return false // nobody was asked
  // A silence that it lived through before did not kill it (HF1-LIV-16).
  if (silence >= 2e3 && silence > path._endured) return learn(way, Idle, silence, 4)
  way._before[Idle] = silence
  const age = (visible ? m._now : path._heard) - path._openedAt
  return age >= 12e3 && learn(way, Age, age, 10) // HF1-LIV-17
}

/** How long a poll may hang: as long as the server says, or as is known to work. */
export const holdOf = (m: Machine, { _way }: Path): number => Math.min(m._server.hold, Math.max(_way._facts[Hold] || 25e3, 5e3))

/** Learns from a poll that failed how long the next may hang, and tells whether that explains the failure (HF1-POL-08). */
export function holdFailed(m: Machine, { _kind, _path, _born }: Conn): boolean {
  const lasted = m._now - _born
  const hold = holdOf(m, _path)
  return (
    _kind === 'poll' &&
    lasted >= 3e3 &&
    !blameless(m, _path) &&
    lower(_path._way._facts, Hold, Math.max(~~(0.7 * Math.min(lasted, hold)), 5e3)) &&
    lasted < hold
  )
}

/**
 * Pings a path before it has been silent for so long that it would die, and the path in use when the server is late or nothing moves.
 * Without an answer the path in use is in doubt; an ack is as good an answer as a pong (HF1-LIV-04).
 */
export function ask(m: Machine, path: Path): void {
  const inUse = path === m._cur
  const idle = path._way._facts[Idle]
  if (path._suspect) return
  if (path._pingI) {
    if (inUse && due(m, Math.max(path._pingAt!, m._progress) + patience(m)))
      if (path._faults && outlives(path, path._pingAt!)) mute(m, path, path._pingAt!, 'no pong')
      else unanswered(m, path, 'no pong')
    return
  }
  const stall = inUse && m._entries[0] ? m._progress + patience(m) : Infinity
  const carries = !isPoll(path) && !path._leaveBy
  // HF1-LIV-18; while lines come and go silence alone is enough.
  const late = carries && inUse && !isActive(m) ? path._heard + m._server.ping + 1e3 : Infinity
  const early = carries && idle ? last(path) + Math.max(idle / 2, 1e3) : Infinity // HF1-LIV-16
  if (due(m, Math.min(stall, late, early))) {
    pingPath(m, path)
    m._again = true
  }
}

/** The stream was heard after what was asked by POST then, and was not answered. */
const outlives = (path: Path, asked: number) => path._way._name === 'sse' && path._heard > asked

/**
 * Gives up a path whose POSTs are not answered. A stream that outlives them is not dead: they may be waiting for the very connection that it
 * holds, so it goes at once, and rests (HF1-SSE-09). Or all answers take that long here, and the next path gives them more time (HF1-LIV-06).
 */
export function mute(m: Machine, path: Path, asked: number, reason: string): void {
  if (m._now - asked >= patience(m) && !path._suspect) slower(m)
  const rests = outlives(path, asked)
  if (rests) takeRest(m, path._way)
  kill(m, path, rests ? 4004 : 4005, reason)
}

/** Leaves a path in use that will soon die of age (HF1-LIV-17). */
export function old(m: Machine, path: Path): void {
  const age = path._way._facts[Age]!
  if (!path._useBy && !isPoll(path) && mayMove(m) && age && due(m, path._openedAt + Math.max(0.8 * age, 9600))) move(m, path, 'age')
}
