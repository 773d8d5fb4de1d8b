// What each refusal means (docs/protocol.md sections 12 and 13).

import type { Fields } from '../wire/control.js'
import { endAttachment, requeue } from './attachments.js'
import { backoff, startRace } from './backoff.js'
import { fault, finish } from './closing.js'
import { emit, trace } from './effects.js'
import { Cooldown, healthy, isSocket, type Attachment, type Conn, type Machine } from './state.js'
import { startCooldown } from './transports.js'

/** Refusals that are faults of the attachment, and those above that end the session. */
const codes: Record<string, number> = { position: 4302, malformed: 4303, version: 4305, origin: 4306, policy: 4306 }

/** The application had no credentials: it is asked again, ever more slowly (HF1-LIV-12). */
export function authFailed(m: Machine): void {
  m._race._tries++
  m._refusals._askAt = m._now + backoff(m)
}

/** Acts on a refusal as docs/protocol.md tables it (HF1-ERR-04). */
export function handleRefusal(m: Machine, attachment: Attachment, { reason, retry }: Fields, conn: Conn): void {
  const { _refusals } = m
  const code = codes[reason]!
  let wait = 0
  trace(m, 'refused', attachment, reason)
  // A proxy that rewrites Host makes the Origin of a WebSocket look like another one. A POST tells
  // it better, and then the session is bound to it.
  if (
    reason === 'origin' &&
    isSocket(attachment) &&
    (m._server.run || !_refusals._originRejected)
  ) {
    _refusals._originRejected = true
    startCooldown(m, attachment._transport)
    return endAttachment(m, attachment, 4004, 'refused origin')
  }
  if (code > 4304) return finish(m, code, reason)
  if (code) return fault(m, attachment, 'refused: ' + reason, code)
  if (reason === 'unknown') {
    // The server of this attachment knows the session, so another one got the POST. It is made
    // again, a few times in a row.
    if (attachment._openedAt && conn._by && attachment._posts._misrouted++ < 4) return requeue(m, conn)
    // It ends the session only if no other attachment works and it is repeated over more than 1 s.
    wait = 1100
    if (!m._attachments.some((a) => a !== attachment && a._openedAt && !a._suspect)) {
      _refusals._unknownAt ||= m._now
      if (m._now - _refusals._unknownAt > 1e3) return finish(m, 4204, reason)
    }
  } else if (reason === 'auth') {
    startRace(m, m._race._at) // the transport is not at fault
    // For an open that went out with the old credentials the application was asked already.
    if (!_refusals._waitAuth && !(conn._startedAt < _refusals._authAt!)) {
      // Asked for because others were refused, and refused at their first use.
      if (_refusals._reauthed && m._now - _refusals._authAt! < 60e3) return finish(m, 4301, reason)
      _refusals._reauthed = _refusals._waitAuth = true
      emit(m, (host) => host._ask())
    }
  } else {
    wait = retry! > 0 ? Math.max(retry!, 100) : 5e3 // its type is not checked before
    wait += (m._config._random() * wait) / 2
  }
  endAttachment(m, attachment, 4004, 'refused ' + reason)
  if (wait)
    if (!healthy(m)) startRace(m, (m._race._notBefore = m._now + wait))
    else if (reason === 'unknown') startCooldown(m, attachment._transport) // it leads to another server
    else attachment._transport._learned[Cooldown] = Math.max(attachment._transport._learned[Cooldown]!, m._now + wait)
}
