// The client machine decides; it does no I/O. What happens goes in through `input`, what is to be done comes out in
// `_actions` and `_deadline`, and `next` in send.ts makes the bytes of a carrier when it can take them. session/client_*.go
// is the same machine in Go: the same states and decisions, run by the same scenarios.

import { active, move, step } from './alive.js'
import { opened } from './attach.js'
import { parse, type Entry, type Packet } from './codec.js'
import { fail, type Fault, type Fields } from './control.js'
import { cut, hears } from './learn.js'
import { admit, append, appendClose, free, heldBytes, lastNumber, type Received } from './log.js'
import { detached, fault, finish, forget, grace, kill, postFailed, say } from './paths.js'
import { refused } from './refused.js'
import { ponged, replied } from './select.js'
import { isPoll, unheard, type Conn, type Machine, type Path } from './state.js'
import { late } from './wake.js'
import { carried } from './ways.js'

/**
 * Lets one of the functions below act, unless the session is over, and then judges every deadline (HF1-LIV-07). Without
 * `act` it is a look at the clock, due at `_deadline` and allowed at any time.
 */
export function input(m: Machine, act?: () => void): void {
  m._now = m._clock()
  if (!m._over) act?.()
  step(m)
}

/** Gives the credentials that the first connect, and later a `_ask`, waits for. */
export function authorized(m: Machine, auth: unknown): void {
  m._auth = auth
  m._waitAuth = false
  m._authAt = m._now
}

/** Appends a message, as `encodeMessage` made it. The caller has checked the bound. */
export function send(m: Machine, entries: Entry[]): void {
  if (!heldBytes(m)) m._progress = m._now
  append(m, entries)
}

/** Records that the application has taken a message, or the peer's `!close`: only this moves the ack. */
export function taken(m: Machine, { _number, _cost, _close }: Received): void {
  m._taken = _number
  m._takenCost += _cost
  if (_close) {
    m._peerClosed = _close
    m._closeAck = m._now
    m._closeBy = m._now + grace
  }
}

/** Closes the session from this side: `!close` takes its number, so all before it is delivered first (HF1-CLO-01). */
export function end(m: Machine, code: number, reason: string): void {
  if (m._closing) return
  if (!m._server.run && !lastNumber(m)) return finish(m, code, reason, false, 0) // nobody was told anything
  m._closing = true
  appendClose(m, code, reason)
  m._progress = m._now
  m._closeBy = m._now + grace
}

/** Reports the end of a carrier; `reason` is empty when the peer ended it in the regular way. */
export function closed(m: Machine, conn: Conn, reason: string): void {
  late(m) // before its end is judged
  if (!m._conns.includes(conn)) return
  forget(m, conn)
  if (!conn._by) {
    conn._path._charged ||= cut(m, conn._path, true)
    kill(m, conn._path, 4005, reason || 'ended')
  } else if (reason) postFailed(m, conn, reason)
}

/** Takes one batch from a carrier. */
export function received(m: Machine, conn: Conn, batch: string | Uint8Array): void {
  if (!m._conns.includes(conn)) return
  let packet
  let accept
  try {
    packet = parse(batch, m._takesBatch)
    // What would end the attachment comes before anything of the batch acts (HF1-BAT-01, HF1-NUM-09).
    if (packet._ack > m._sent || (unheard(m) && packet._first > m._recv + 1)) fail('position', 4302)
    accept = admit(m, packet, m._takesMessage)
  } catch (error) {
    const { message, code } = error as Fault
    return fault(m, conn._path, message, code! > 4e3 ? code! : 4303) // what the platform throws has no code of ours
  }
  apply(m, conn, packet, accept)
}

/** Lets an admissible batch act: ack, then lines in order. */
function apply(m: Machine, conn: Conn, { _first, _ack, _lines }: Packet, accept: () => void): void {
  const path = conn._path
  const controls = _lines.filter((l) => l._name)
  if (conn._kind !== 'up' || isPoll(path)) hears(m, path) // a POST's answer says nothing of a stream
  if (conn._by) {
    path._faults = 0 // what comes on a stream says nothing of what is posted for it
    path._postAt = m._now + (path._pause >>= 1)
  }
  if (!path._openedAt) {
    // In place of opened there may be a refusal or a final word, whose ack and lines are nobody's; all else is nonsense.
    const answer = controls.find((l) => /^!(opened|refused|closed|detach)$/.test(l._name!))
    const fields = answer?._fields!
    // A run that is not ours is a fault of the path (HF1-WHO-06).
    if (!answer || (fields.run && m._server.run && fields.run !== m._server.run)) return kill(m, path, 4005, 'another run')
    if (answer._name !== '!opened') return handlers[answer._name!]!(m, path, fields, conn)
    if (fields.att !== path._att) return fault(m, path, 'another attachment', 4303)
  }
  if (controls.some((l) => l._name !== '!closed' && l._fields!.recv > m._sent)) return fault(m, path, 'position', 4302)
  m._faultCode = 0
  const news = acked(m, _ack)
  const before = m._recv
  accept()
  const fresh = m._recv > before
  if (fresh) {
    active(m)
    m._sentAt = m._now
  }
  if (news || fresh) m._tries = 0
  else if (conn._kind === 'poll') path._pollAt = conn._born + 100 // HF1-POL-07
  for (const line of controls) if (!m._over) handlers[line._name!]?.(m, path, line._fields!, conn)
  if (_first > before + 1 && path === m._cur) rewind(m, path)
}

/** Asks for what is missing, once a round trip (HF1-NUM-06). On long polls the next poll does. */
function rewind(m: Machine, path: Path): void {
  if (isPoll(path) || m._now - m._rewindAt! < Math.max(m._rtt, 250)) return
  m._rewindAt = m._now
  say(path, 'rewind', { recv: m._recv })
}

/** Frees the log (I2) and moves positions that an ack has overtaken (HF1-NUM-08). */
function acked(m: Machine, ack: number): boolean {
  if (!free(m, ack)) return false
  m._progress = m._now
  if (m._closeBy) m._closeBy = m._now + grace // the end is coming nearer
  m._known = Math.max(m._known, ack)
  for (const path of m._paths) {
    path._pos = Math.max(path._pos, ack)
    carried(path, ack)
    path._faults = 0 // what was posted has arrived, if not its answer
  }
  return true
}

/** What each control does. */
const handlers: Record<string, (m: Machine, path: Path, fields: Fields, conn: Conn) => void> = {
  '!opened': opened,
  '!reply': replied,
  '!refused': refused,
  '!detach': detached,
  '!closed'(m, _, { code, reason, recv }) {
    acked(m, Math.min(recv, m._sent))
    // Without a run there may be another session of this key, at a server that has been started anew since.
    finish(m, code, reason, true, m._server.run ? recv : undefined)
  },
  '!rewind'(m, path, { recv }) {
    path._pos = Math.max(recv, m._base) // HF1-NUM-07, HF1-NUM-08
  },
  '!ping'(_, path, { i }) {
    // HF1-LIV-02. A server that asks and does not read loses its answers.
    if (path._ctl.length < 1025) say(path, 'pong', { i })
  },
  '!pong': ponged,
  '?beacon'(_, path, { i }) {
    path._beacons = i
    if (i > 1) path._beaconBy = 0
  },
  // HF1-SEL-10
  '?move'(m, path) {
    move(m, path, 'move')
  },
}
