// Whether an attachment still works: every deadline is judged by the clock, at every input
// (HF1-LIV-07).

import { abandonPoll, endAttachment, ping } from './attachments.js'
import { responseTimeout } from './backoff.js'
import { due, trace } from './effects.js'
import { exempt, lastUse, probationEnd } from './learning.js'
import { sendUse } from './selection.js'
import { clamp, Cooldown, Cooldowns, Idle, isPoll, Limit, type Attachment, type Machine } from './state.js'
import { heardSince, markSuspect, pingUnanswered, uplinkDead } from './suspicion.js'
import { startCooldown } from './transports.js'
import type { Fields } from '../wire/control.js'

/** Log lines come or go. */
export const isActive = (m: Machine): boolean => m._now - m._liveness._lastLog! < 30e3

/** Notes that a log line comes or goes. */
export function noteActive(m: Machine): void {
  if (!isActive(m)) m._liveness._activeAt = m._now
  m._liveness._lastLog = m._now
}

/** Judges one attachment. */
export function judgeAttachment(m: Machine, attachment: Attachment): void {
  const { _transport, _silence, _ping } = attachment
  const inUse = attachment === m._current
  if (!attachment._openedAt) {
    // HF1-LIV-06, HF1-SSE-08
    if (due(m, _silence._lastReceived + 10e3))
      endAttachment(m, attachment, 4002, _transport._name === 'sse' && m._current ? 'held' : 'no answer')
    return
  }
  // HF1-LIV-09
  if (
    !attachment._validated &&
    _ping._count &&
    !attachment._beaconBy &&
    !attachment._suspect &&
    due(m, attachment._openedAt + 10e3)
  ) {
    if (inUse || _ping._count > 1) {
      attachment._validated = true
      m._race._tries = 0
      _transport._earlyFailures = _transport._learned[Cooldown] = 0 // it works here, for now
      _transport._failed = false
      trace(m, 'validated', attachment)
    } else if (!_ping._i) ping(m, attachment) // one that stands by has to show that it still answers
  }
  // HF1-LIV-13
  if (
    attachment._validated &&
    !attachment._suspect &&
    _transport._learned[Cooldowns] &&
    due(m, probationEnd(attachment))
  )
    _transport._learned[Cooldowns] = 0
  // HF1-SSE-03, HF1-SSE-08: its first bytes passed and then nothing until a buffer is full, or each
  // event comes with the next.
  if (due(m, attachment._beaconBy) && !attachment._suspect) {
    if (!exempt(m, attachment)) startCooldown(m, _transport)
    markSuspect(m, attachment, attachment._beacons ? 'one-behind' : 'threshold')
  }
  if (attachment._useBy && due(m, attachment._useAt)) sendUse(m, attachment)
  // A use wants an answer as a ping does (HF1-LIV-04).
  if (due(m, attachment._useBy)) pingUnanswered(m, attachment, 'use unanswered')
  maybePing(m, attachment)
  // HF1-LIV-05: how long an attachment may be silent. The server promised more when lines began to
  // come or go.
  const silentAt =
    attachment === m._current && isActive(m)
      ? Math.max(_silence._lastReceived, m._liveness._activeAt!) + 5750
      : _silence._lastReceived + 1.5 * m._server.ping + 5e3
  if (!isPoll(attachment) && !attachment._suspect && due(m, silentAt)) markSuspect(m, attachment, 'silent')
}

/**
 * Pings an attachment before it has been silent for as long as ends it here, and the attachment in
 * use when the server is late or nothing moves. Without an answer it is suspect; an ack is as good
 * an answer as a pong (HF1-LIV-04).
 */
function maybePing(m: Machine, attachment: Attachment): void {
  const inUse = attachment === m._current
  const progress = m._liveness._progress
  const idle = attachment._transport._learned[Idle]
  if (attachment._suspect) return
  if (attachment._ping._i) {
    if (inUse && due(m, Math.max(attachment._ping._at!, progress) + responseTimeout(m)))
      if (attachment._posts._failures && heardSince(attachment, attachment._ping._at!))
        uplinkDead(m, attachment, attachment._ping._at!, 'no pong')
      else pingUnanswered(m, attachment, 'no pong')
    return
  }
  const stall = inUse && m._log._entries[0] ? progress + responseTimeout(m) : Infinity
  const carries = !isPoll(attachment) && !attachment._leaveBy
  // HF1-LIV-18; while lines come and go silence alone is enough.
  const late = carries && inUse && !isActive(m) ? attachment._silence._lastReceived + m._server.ping + 1e3 : Infinity
  const early = carries && idle ? lastUse(attachment) + Math.max(idle / 2, 1e3) : Infinity // HF1-LIV-16
  if (due(m, Math.min(stall, late, early))) {
    ping(m, attachment)
    m._again = true
  }
}

/** Checks whether lines are missing that the server says it has sent. */
export function checkMissingLines(m: Machine, attachment: Attachment): void {
  if (m._liveness._sentDown > m._log._recv && due(m, m._liveness._sentDownAt! + responseTimeout(m))) {
    m._liveness._sentDown = m._log._recv
    if (!abandonPoll(m, attachment)) markSuspect(m, attachment, 'lines missing')
  }
}

/** Measures a round trip. */
export function ponged(m: Machine, attachment: Attachment, { i }: Fields): void {
  if (!i || i !== attachment._ping._i) return
  const rtt = clamp(m._now - attachment._ping._at!, 1, 5e3) // longer ones are a suspended page's
  // What was lost while answers had too little time says nothing of sizes (HF1-ATT-07).
  const tooLittle = 4 * rtt > responseTimeout(m)
  for (const { _learned, _before } of m._transports)
    _before[Limit] = _learned[Limit] = (tooLittle ? _before : _learned)[Limit]!
  m._liveness._rtt = m._liveness._guessedTimeout ? rtt : (7 * m._liveness._rtt + rtt) / 8
  m._liveness._guessedTimeout = 0
  attachment._ping._i = 0
  attachment._ping._count++
  attachment._posts._failures = 0 // what was posted has arrived, if not its answer
  if (attachment !== m._current) return
  m._liveness._progress = m._now
  if (!attachment._beaconBy) attachment._suspect = false
}
