// The client machine decides; it does no I/O. Inputs are the functions exported here; what they bring about is read from
// `drain` and `_deadline`, and `next` in send.ts makes the bytes of a carrier when it can take them. session/client_*.go
// is the same machine in Go: the same states and decisions, run by the same scenarios.

import { doubt, step } from './alive.js'
import { opened, refused } from './attach.js'
import { parse, type Entry, type Packet } from './codec.js'
import { fail, type Fault, type Fields } from './control.js'
import { accept, append, appendClose, check, free, heldBytes, lastNumber, take, type Received } from './log.js'
import { detached, fault, finish, forget, kill, polled, postFailed, say } from './paths.js'
import { ponged, replied } from './select.js'
import { closeGrace, connOf, type Action, type Conn, type Machine, type Path } from './state.js'
import { carried } from './ways.js'

/** Lets an input act at `now`, then judges every deadline (HF1-LIV-07). */
function input(m: Machine, now: number, act?: () => void): void {
  m._now = now
  if (!m._over) act?.()
  step(m)
}

/** Begins the first connect. */
export const start = (m: Machine, now: number): void =>
  input(m, now, () => {
    m._raceAt = now
  })

/** Is called when `_deadline` has come, and may be called at any time. */
export const tick = (m: Machine, now: number): void => input(m, now)

/** Gives fresh credentials after an `auth` action. */
export const authorized = (m: Machine, auth: unknown, now: number): void =>
  input(m, now, () => {
    m._cfg._auth = auth
    m._waitAuth = false
  })

/** Appends a message, as `encodeMessage` made it, and returns the number of its last line. The caller has checked the bound. */
export function send(m: Machine, entries: Entry[], now: number): number {
  if (!heldBytes(m._out)) m._progress = now
  append(m._out, entries)
  const number = lastNumber(m._out)
  input(m, now)
  return number
}

/** Records that the application has taken a message, or the peer's `!close`. */
export function taken(m: Machine, message: Received, now: number): void {
  take(m._in, message)
  input(m, now, () => {
    if (!message._close) return
    m._peerClosed = message._close
    m._closeAck = now
    m._closeBy = now + closeGrace
  })
}

/** Closes the session from this side: `!close` takes its number, so all before it is delivered first (HF1-CLO-01). */
export const end = (m: Machine, code: number, reason: string, now: number): void =>
  input(m, now, () => {
    if (m._out._closing) return
    // Nobody was told anything.
    if (!m._run && !lastNumber(m._out)) return finish(m, code, reason, false, 0)
    appendClose(m._out, code, reason)
    m._progress = now
    m._closeBy = now + closeGrace
  })

/** Ends the session without a word to the server, since nothing could be said (no credentials). */
export const abandon = (m: Machine, code: number, reason: string, now: number): void =>
  input(m, now, () => finish(m, code, reason, false))

/** Takes one batch from a carrier. */
export const received = (m: Machine, id: number, batch: string | Uint8Array, now: number): void =>
  input(m, now, () => {
    const conn = connOf(m, id)
    if (!conn) return
    let packet
    try {
      packet = parse(batch, m._cfg._maxBatch)
      // What would end the attachment comes before anything of the batch acts (HF1-BAT-01, HF1-NUM-09).
      if (packet._ack > m._out._sent) fail('ack above what was sent', 4302)
      check(m._in, packet, m._cfg._maxMessage)
    } catch (error) {
      return fault(m, conn._path, error as Fault)
    }
    apply(m, conn, packet)
  })

/** Reports the end of a carrier; `reason` is empty when the peer ended it in the regular way. */
export const closed = (m: Machine, id: number, reason: string, now: number): void =>
  input(m, now, () => {
    const conn = connOf(m, id)
    if (!conn) return
    forget(m, conn)
    if (conn._kind === 'up' || conn._kind === 'poll') {
      if (reason || conn._first) postFailed(m, conn, reason || 'ended')
    } else if (conn._kind !== 'open' || conn._path._state !== 'open') kill(m, conn._path, 4005, reason || 'ended')
  })

/** Hands out the actions since the last call. */
export const drain = (m: Machine): Action[] => m._actions.splice(0)

/** Lets an admissible batch act: ack, then lines in order. */
function apply(m: Machine, conn: Conn, packet: Packet): void {
  const path = conn._path
  const controls = packet._lines.filter((l) => l._name)
  const opening = controls.find((l) => l._name === '!opened')
  path._heard = m._now
  path._faults = 0
  // A run that is not ours is a fault of the path, before its ack or lines act (HF1-WHO-06).
  if (opening && m._run && opening._fields!.run !== m._run) return kill(m, path, 4005, 'another run')
  if (path._state === 'opening' && !opening) {
    // In place of opened there may be a refusal or a final word; all else is nonsense.
    const answer = controls.find((l) => /^!(refused|closed|detach)$/.test(l._name))
    if (answer) handlers[answer._name]!(m, conn, answer._fields!)
    else kill(m, path, 4005, 'no opened')
    return
  }
  m._faultCode = 0
  if (acked(m, packet._ack)) path._useful = true
  const before = m._in._recv
  accept(m._in, packet)
  const fresh = m._in._recv > before
  if (fresh) {
    m._lastLog = m._lastRecv = m._now
    path._useful = true
  }
  for (const line of controls) if (!m._over) handlers[line._name]?.(m, conn, line._fields!)
  if (m._over) return
  if (packet._first > before + 1 && path === m._cur) rewind(m, path)
  if (conn._kind === 'poll') polled(m, conn, fresh || path._detached)
}

/** Asks for what is missing, once a round trip (HF1-NUM-06). On long polls the next poll does. */
function rewind(m: Machine, path: Path): void {
  if (path._way._name === 'longpoll' || m._now - m._rewindAt < Math.max(m._rtt, 250)) return
  m._rewindAt = m._now
  say(path, 'rewind', { recv: m._in._recv })
}

/** Frees the log (I2) and moves positions that an ack has overtaken (HF1-NUM-08). */
function acked(m: Machine, ack: number): boolean {
  if (!free(m._out, ack)) return false
  m._progress = m._now
  m._known = Math.max(m._known, ack)
  for (const path of m._paths) {
    path._pos = Math.max(path._pos, ack)
    carried(path, ack)
  }
  return true
}

/** What each control does. The client ignores the others that it knows: they are for servers. */
const handlers: Record<string, (m: Machine, conn: Conn, fields: Fields) => void> = {
  '!opened': opened,
  '!reply': replied,
  '!refused': refused,
  '!detach': (m, conn, fields) => detached(m, conn._path, fields),
  '!closed': (m, _, { code, reason, recv }) => {
    acked(m, Math.min(recv, m._out._sent))
    finish(m, code, reason, true, recv)
  },
  '!rewind': (m, conn, { recv }) => {
    if (recv <= m._out._sent) conn._path._pos = Math.max(recv, m._out._base) // HF1-NUM-07, HF1-NUM-08
  },
  '!ping': (_, conn, { i }) => say(conn._path, 'pong', { i }), // HF1-LIV-02
  '!pong': (m, conn, { i }) => ponged(m, conn._path, i),
  '?beacon': (_, conn, { i }) => {
    if (i > 1) conn._path._beaconBy = 0
  },
  '?move': (m, conn) => doubt(m, conn._path, 'move'), // HF1-SEL-10
}
