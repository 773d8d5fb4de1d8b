// The life of attachments and of their carriers: how they start, and how they end.

import type { Kind } from '../carriers/carrier.js'
import { encodeControl } from '../wire/codec.js'
import { backoff, startRace } from './backoff.js'
import { due, emit, trace } from './effects.js'
import { noteSent, penalize } from './learning.js'
import { healthy, isPoll, type Attachment, type Conn, type Machine, type TransportState } from './state.js'
import { lost, refused } from './transports.js'

/** How many attachments a session may have (HF1-ATT-04). */
const maxAttachments = 4

/** Queues a control for the attachment. */
export function queueControl(attachment: Attachment, name: string, fields: object): void {
  attachment._ctl += encodeControl(name, fields)
}

/**
 * Opens a new attachment (HF1-ATT-01). Room is made by the oldest that is not in use, as at the
 * server (HF1-ATT-04).
 */
export function attach(m: Machine, transport: TransportState, u?: number): void {
  if (m._attachments.length >= maxAttachments)
    endAttachment(m, m._attachments.find((a) => a !== m._current)!)
  const attachment: Attachment = {
    _att: ++m._race._atts,
    _transport: transport,
    _u: u,
    _startedAt: m._now,
    _openedAt: 0,
    _ctl: '',
    _silence: { _lastReceived: m._now, _lastSent: 0, _gap: 0, _maxSurvived: 0 },
    _ping: { _count: 0 },
    _posts: { _polls: 0, _pause: 0, _failures: 0, _misrouted: 0 },
    _written: { _pos: 0, _inFlight: 0 },
  }
  transport._tried = true
  m._attachments.push(attachment)
  trace(m, 'attach', attachment)
  dial(m, attachment, transport._name === 'sse' ? 'stream' : transport._name === 'longpoll' ? 'open' : 'socket', 0)
}

/** Opens a carrier for an attachment. */
export function dial(m: Machine, attachment: Attachment, kind: Kind, by: number): void {
  const conn: Conn = {
    _kind: kind,
    _attachment: attachment,
    _startedAt: m._now,
    _by: by,
    _first: true,
    _ctl: '',
  }
  m._conns.push(conn)
  emit(m, (host) => host._dial(conn))
  due(m, by)
}

/** Drops a carrier whose outcome no longer matters. */
export function hangup(m: Machine, conn: Conn, code: number): void {
  forget(m, conn)
  emit(m, (host) => host._hangup(conn, code))
}

/** Removes a carrier from the books. */
export function forget(m: Machine, conn: Conn): void {
  m._conns = m._conns.filter((c) => c !== conn)
}

/**
 * Ends an attachment that broke or is no longer wanted, and penalizes its transport if it failed
 * early (HF1-LIV-09).
 */
export function endAttachment(m: Machine, attachment: Attachment, code = 4004, reason = 'left'): void {
  if (!m._attachments.includes(attachment)) return
  trace(m, 'died', attachment, reason)
  // 4004 and the like are no fault of the transport.
  if (code === 4005 || code === 4002 || code >= 4300) {
    penalize(m, attachment)
    if (code === 4002) lost(attachment)
    else refused(attachment)
  }
  m._attachments = m._attachments.filter((a) => a !== attachment)
  for (const conn of [...m._conns].reverse()) if (conn._attachment === attachment) hangup(m, conn, code)
  if (m._current === attachment) {
    m._current = undefined
    // The first attempt is immediate; attachments that end without use are tried ever more slowly.
    startRace(m, m._now + (m._race._tries ? backoff(m) : 0))
    m._race._tries++
  } else if (!healthy(m) && m._race._at && !attachment._openedAt) m._race._at = m._now // the next one starts now
}

/** Asks for a sign of life on an attachment. */
export function ping(m: Machine, attachment: Attachment): void {
  const i = (attachment._ping._i = ++m._liveness._pings)
  attachment._ping._at = m._now
  noteSent(m, attachment)
  queueControl(attachment, 'ping', { i })
}

/** Nobody knows whether a POST has arrived: its controls are queued again, and the ack. */
export function requeue(m: Machine, { _attachment, _ctl }: Conn): void {
  _attachment._ctl = _ctl + _attachment._ctl
  m._log._ackSent = 0
}

/**
 * Gives the hanging poll up for another. Its connection may have broken without a sign, as that of
 * a POST beside it has, or of the reply that had the lines that are missing (HF1-LIV-05). Tells
 * whether the attachment is one of polls.
 */
export function abandonPoll(m: Machine, attachment: Attachment): boolean {
  const poll = m._conns.find((c) => c._attachment === attachment && c._kind === 'poll')
  if (poll) {
    hangup(m, poll, 4002)
    requeue(m, poll)
  }
  return isPoll(attachment)
}
