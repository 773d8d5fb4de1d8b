// The end of a session: from this side, from the peer's, or by a fault.

import { encodeControl, encodeEntry } from '../wire/codec.js'
import { append, lastNumber } from '../wire/log.js'
import { endAttachment, hangup, ping } from './attachments.js'
import { responseTimeout } from './backoff.js'
import { due, emit } from './effects.js'
import { unconfirmed, type Attachment, type Machine } from './state.js'

/** How long a close waits for the final word (HF1-CLO-04). */
const closeTimeout = 10e3

/**
 * Ends the session and states the fate of its messages (HF1-CLO-05). `recv` is how much of our log
 * the peer has taken, by its final word; undefined if there was none.
 */
export function finish(m: Machine, code: number, reason: string, remote = false, recv?: number): void {
  const { _log } = m
  const peer = m._closing._peer
  if (m._closing._over) return
  // The numbers of messages are those of their last lines; !close is none.
  const rest = _log._entries.flatMap(({ _cost, _more }, i) => (_cost && !_more ? _log._base + i + 1 : []))
  const final = recv !== undefined
  m._closing._over = {
    code: peer?.code ?? code,
    reason: peer?.reason ?? reason,
    remote: remote || !!peer,
    session: m._server.id ?? '',
    delivered: _log._base,
    notDelivered: final ? rest : [],
    unknown: final ? [] : rest,
  }
  for (const conn of m._conns) hangup(m, conn, code)
  m._attachments = []
  m._current = undefined
  emit(m, (host) => host._end())
}

/**
 * Ends the attachment of a batch that breaks a rule. The same fault twice in a row, on two
 * transports, ends the session (HF1-ERR-02).
 */
export function fault(m: Machine, attachment: Attachment, message: string, code = 4303): void {
  // What was restored is older than what was sent, as after a crash: numbers may have been used for
  // other messages.
  if (code === 4302 && unconfirmed(m)) return finish(m, 4202, message)
  // A message above the limit can never be taken (HF1-NUM-10).
  endAttachment(m, attachment, code, message)
  if (code === 4304 || (m._refusals._faultCode === code && m._refusals._faultTransport !== attachment._transport))
    finish(m, code, message)
  m._refusals._faultCode = code
  m._refusals._faultTransport = attachment._transport
}

/**
 * Closes the session from this side: `!close` takes its number, so all before it is delivered first
 * (HF1-CLO-01).
 */
export function close(m: Machine, code: number, reason: string): void {
  if (m._closing._local) return
  if (!m._server.run && !lastNumber(m._log)) return finish(m, code, reason, false, 0) // the server knows nothing of it
  m._closing._local = true
  append(m._log, [encodeEntry(encodeControl('close', { code, reason }), 0, false)]) // free of the window
  m._liveness._progress = m._now
  waitForEnd(m)
}

/** A close waits from now on. */
export function waitForEnd(m: Machine): void {
  m._closing._by = m._now + closeTimeout
}

/**
 * A close that is under way comes nearer to its end, or the client was asleep: it may wait anew.
 */
export function extendClose(m: Machine): void {
  if (m._closing._by) waitForEnd(m)
}

/** Waits for the final word (HF1-CLO-04). */
export function checkClosing(m: Machine): void {
  const { _current } = m
  if (m._closing._peer && due(m, m._closing._ackAt)) {
    // The ack is sent again until closed comes.
    m._closing._ackAt = m._now + responseTimeout(m)
    m._log._ackSent = 0
    m._output._ackAt = m._now
    // Without a ping under way nothing would show that the attachment is dead.
    if (_current && !_current._ping._i) ping(m, _current)
    due(m, m._closing._ackAt)
  }
  if (due(m, m._closing._by)) finish(m, 4100, '')
}
