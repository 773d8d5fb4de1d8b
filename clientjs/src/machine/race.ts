// Connecting: which transport is tried when (docs/protocol.md sections 6 and 10).

import type { Fields } from '../wire/control.js'
import { attach, endAttachment, forget, ping } from './attachments.js'
import { allFailed, attemptDelay, attemptTimeout } from './backoff.js'
import { finish } from './closing.js'
import { due, emit, trace } from './effects.js'
import { confirm, maySelect, nextU, opensWith, use } from './selection.js'
import {
  clamp, Cooldown, healthy, type Attachment, type Conn, type Machine, type TransportState,
} from './state.js'

/**
 * Keeps attempts going while the session has no good attachment: none at all, or one that may be
 * dead (HF1-LIV-10).
 */
export function connect(m: Machine): void {
  const { _race, _refusals } = m
  if (due(m, _refusals._askAt)) {
    _refusals._askAt = 0
    emit(m, (host) => host._ask())
  }
  if (_refusals._waitAuth || healthy(m) || selectStandby(m)) return
  const opening = m._attachments.some((a) => !a._openedAt)
  if (!opening) _race._at ||= m._now
  if (!due(m, _race._at)) return
  const transport = nextTransport(m)
  if (transport) {
    attach(m, transport, m._current ? undefined : nextU(m))
    _race._at = m._now + attemptDelay(m)
  } else if (opening) _race._at = m._now + attemptTimeout(m) // when what is being opened fails the next starts at once
  else if (_refusals._originRejected && !m._server.run) finish(m, 4306, 'origin') // no POST could tell better
  else allFailed(m)
  due(m, _race._at)
}

/** Selects the best attachment that stands by, and tells whether there is one. */
function selectStandby(m: Machine): boolean {
  const [best] = m._attachments
    .filter(
      (a) => a !== m._current && a._openedAt && !a._suspect && a._silence._lastReceived >= m._liveness._wokeAt,
    )
    .sort((a, b) => a._transport._rank - b._transport._rank)
  if (!best) return false
  // Opens that carry the last u have the delay of a race to be answered; then they are given up, so
  // that a selection may be made (HF1-SEL-07). So is an attachment whose use was never answered.
  for (const a of m._attachments)
    if (
      !m._current &&
      !maySelect(m) &&
      opensWith(a, m._selection._u) &&
      due(m, a._silence._lastReceived + attemptDelay(m))
    )
      endAttachment(m, a)
  if (!use(m, best) && m._current) {
    endAttachment(m, m._current, 4002, 'use unanswered')
    connect(m)
  }
  return true
}

/**
 * The best transport that this race has not tried and that has no cooldown, the one that was last
 * validated in use before all; when all have one, that whose cooldown ends first.
 */
function nextTransport(m: Machine): TransportState | undefined {
  const cooldown = (t: TransportState) => (t._learned[Cooldown]! > m._now ? t._learned[Cooldown]! : 0)
  const key = (t: TransportState) => cooldown(t) || (t === m._learning._best ? -1 : t._rank)
  const [first] = m._transports.filter((t) => !t._tried).sort((a, b) => key(a) - key(b))
  // While something is being opened that may yet succeed, no cooldown is cut short.
  return first &&
    cooldown(first) &&
    m._attachments.some((a) => !a._openedAt && m._now < a._startedAt + attemptTimeout(m))
    ? undefined
    : first
}

/** The attachment can carry, down at least. */
export function opened(m: Machine, attachment: Attachment, o: Fields, conn: Conn): void {
  if (attachment._openedAt) return
  if (!m._server.run) m._liveness._progress = m._now
  m._liveness._offline = false // whatever the platform believes
  m._server = o
  // Within the bounds that docs/protocol.md sets.
  o.ping = clamp(o.ping, 5e3, 25e3)
  o.hold = clamp(o.hold, 5e3, 25e3)
  m._refusals._unknownAt = 0
  m._refusals._reauthed = false
  attachment._challenge = o.challenge
  attachment._openedAt = m._now
  attachment._written._pos = Math.max(o.recv, m._log._base)
  m._output._known = Math.max(m._output._known, attachment._written._pos)
  // By then both beacons of a stream have come, if it is live (HF1-SSE-03).
  if (attachment._transport._name === 'sse') attachment._beaconBy = m._now + 1e3 + 2 * m._liveness._rtt
  if (conn._kind === 'open') forget(m, conn)
  attachment._transport._failed = false
  if (!healthy(m)) {
    // The network may be another one (HF1-LIV-06).
    m._liveness._rtt = clamp((m._now - attachment._startedAt) / 2, m._liveness._rtt, 5e3)
    m._liveness._guessedTimeout ||= 1
  }
  trace(m, 'opened', attachment)
  confirm(m, o.sel)
  ping(m, attachment) // repeats the run (HF1-WHO-10) and measures the round trip
}
