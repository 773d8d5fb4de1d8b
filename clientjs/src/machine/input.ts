// What comes in: a batch is judged whole, then acts, its ack first and its controls one by one.

import { parse, type Packet } from '../wire/codec.js'
import { fail, type Fields } from '../wire/control.js'
import { admit, free } from '../wire/log.js'
import { endAttachment, queueControl } from './attachments.js'
import { extendClose, fault, finish } from './closing.js'
import { noteReceived } from './learning.js'
import { noteActive, ponged } from './liveness.js'
import { postAnswered } from './posts.js'
import { opened } from './race.js'
import { handleRefusal } from './refusals.js'
import { detached, replied } from './selection.js'
import { isPoll, unconfirmed, type Attachment, type Conn, type Machine } from './state.js'
import { move } from './suspicion.js'
import { acknowledged } from './transports.js'

/** Takes one batch from a carrier. */
export function received(m: Machine, conn: Conn, batch: string | Uint8Array): void {
  if (!m._conns.includes(conn)) return
  let packet
  let accept
  try {
    packet = parse(batch, m._config._maxBatch)
    // What would end the attachment comes before anything of the batch acts (HF1-BAT-01,
    // HF1-NUM-09).
    if (packet._ack > m._log._sent || (unconfirmed(m) && packet._first > m._log._recv + 1)) fail('position', 4302)
    accept = admit(m._log, packet, m._config._maxMessage, m._server.win)
  } catch (error) {
    const { message, cause } = error as Error
    return fault(m, conn._attachment, message, cause as number) // the platform's errors have no cause
  }
  apply(m, conn, packet, accept)
}

/** Lets an admissible batch act: ack, then lines in order. */
function apply(m: Machine, conn: Conn, { _first, _ack, _lines }: Packet, accept: () => void): void {
  const { _attachment } = conn
  const controls = _lines.filter((l) => l._name)
  // A POST's answer says nothing of a stream.
  if (conn._kind !== 'up' || isPoll(_attachment)) noteReceived(m, _attachment)
  if (conn._by) postAnswered(m, _attachment)
  if (!_attachment._openedAt) {
    // In place of opened there may be a refusal or a final word, whose ack and lines are nobody's;
    // all else is nonsense.
    const answer = controls.find((l) => /^!(opened|refused|closed|detach)$/.test(l._name!))
    const fields = answer?._fields!
    // A run that is not ours is a fault of the attachment (HF1-WHO-06).
    if (!answer || (fields.run && m._server.run && fields.run !== m._server.run))
      return endAttachment(m, _attachment, 4005, 'another run')
    if (answer._name !== '!opened') return handlers[answer._name!]!(m, _attachment, fields, conn)
    if (fields.att !== _attachment._att) return fault(m, _attachment, 'another attachment')
  }
  if (controls.some((l) => l._name !== '!closed' && l._fields!.recv > m._log._sent))
    return fault(m, _attachment, 'position', 4302)
  m._refusals._faultCode = 0
  const news = acked(m, _ack)
  const before = m._log._recv
  accept()
  const fresh = m._log._recv > before
  if (fresh) {
    noteActive(m)
    m._liveness._sentDownAt = m._now
  }
  if (news || fresh) m._race._tries = 0
  else if (conn._kind === 'poll') _attachment._posts._pollAt = conn._startedAt + 100 // HF1-POL-07
  for (const { _name, _fields } of controls)
    if (!m._closing._over) handlers[_name!]?.(m, _attachment, _fields!, conn)
  if (_first > before + 1 && _attachment === m._current) requestRewind(m, _attachment)
}

/** Requests what is missing, once a round trip (HF1-NUM-06). On long polls the next poll does. */
function requestRewind(m: Machine, attachment: Attachment): void {
  const { _output } = m
  if (isPoll(attachment) || m._now - _output._rewindAt! < Math.max(m._liveness._rtt, 250)) return
  _output._rewindAt = m._now
  queueControl(attachment, 'rewind', { recv: m._log._recv })
}

/** Frees the log (I2) and moves positions that an ack has overtaken (HF1-NUM-08). */
function acked(m: Machine, ack: number): boolean {
  const { _output } = m
  if (!free(m._log, ack)) return false
  m._liveness._progress = m._now
  extendClose(m)
  _output._known = Math.max(_output._known, ack)
  for (const a of m._attachments) {
    a._written._pos = Math.max(a._written._pos, ack)
    acknowledged(a, ack)
    a._posts._failures = 0 // what was posted has arrived, if not its answer
  }
  return true
}

/** What each control does. */
const handlers: Record<string, (m: Machine, attachment: Attachment, fields: Fields, conn: Conn) => void> = {
  '!opened': opened,
  '!reply': replied,
  '!refused': handleRefusal,
  '!detach': detached,
  '!closed'(m, _, { code, reason, recv }) {
    acked(m, Math.min(recv, m._log._sent))
    // Without a run there may be another session of this key, at a server that has been started
    // anew since.
    finish(m, code, reason, true, m._server.run ? recv : undefined)
  },
  '!rewind'(m, attachment, { recv }) {
    attachment._written._pos = Math.max(recv, m._log._base) // HF1-NUM-07, HF1-NUM-08
  },
  '!ping'(_, attachment, { i }) {
    // HF1-LIV-02. A server that pings and does not read loses its pongs.
    if (attachment._ctl.length < 1025) queueControl(attachment, 'pong', { i })
  },
  '!pong': ponged,
  '?beacon'(_, attachment, { i }) {
    attachment._beacons = i
    if (i > 1) attachment._beaconBy = 0
  },
  // HF1-SEL-10
  '?move'(m, attachment) {
    move(m, attachment, 'move')
  },
}
