// What the client learns of a network from how attachments end. One end is chance; two alike are a
// rule: docs/decisions/0005.

import {
  Age, Cooldowns, Hold, Idle, isPoll, healthy, type Attachment, type Conn, type Machine, type TransportState,
} from './state.js'
import { startCooldown } from './transports.js'

/**
 * When a byte last went over the attachment's own carrier. POSTs beside a stream go another way.
 */
export const lastUse = ({ _silence }: Attachment): number => Math.max(_silence._lastSent, _silence._lastReceived)

/** Notes that a byte goes out, or that one is asked for, and the silence before it. */
export function noteSent(m: Machine, attachment: Attachment): void {
  attachment._silence._gap = Math.max(attachment._silence._gap, m._now - lastUse(attachment))
}

/** Notes that a byte has come: the attachment survived the silence before it. */
export function noteReceived(m: Machine, attachment: Attachment): void {
  noteSent(m, attachment)
  attachment._silence._maxSurvived = Math.max(attachment._silence._maxSurvived, attachment._silence._gap)
  attachment._silence._gap = 0
  attachment._silence._lastReceived = m._now
}

/** The end says nothing of the transport: there was no network, or the client slept. */
export const exempt = ({ _liveness, _now }: Machine, { _startedAt }: Attachment): boolean | undefined =>
  _liveness._offline || (_startedAt < _liveness._wokeAt && _now - _liveness._wokeAt < 5e3)

/** Until then a transport that had a cooldown is on probation (HF1-LIV-13). */
export const probationEnd = ({ _openedAt }: Attachment): number => _openedAt + 60e3

/** Penalizes the transport for the end of an attachment (HF1-LIV-09). */
export function penalize(m: Machine, attachment: Attachment): void {
  if (attachment._penalized || exempt(m, attachment)) return
  // If it is in use it does open, if not this time.
  if (!attachment._openedAt) attachment._transport._failed = attachment._transport !== healthy(m)?._transport
  else if (
    attachment._validated
      ? attachment._transport._learned[Cooldowns] && m._now < probationEnd(attachment)
      : ++attachment._transport._earlyFailures > 1
  )
    startCooldown(m, attachment._transport)
}

/**
 * Two values in a row of which the later is within one `part`-th of the earlier are a rule: the
 * lower of them. Tells whether that is new.
 */
function learn({ _learned, _before }: TransportState, entry: number, value: number, part: number): boolean {
  const before = _before[entry]!
  _before[entry] = value
  return Math.abs(value - before) <= before / part && lower(_learned, entry, Math.min(value, before))
}

/** Keeps the lower value, and tells whether it is new. */
function lower(learned: number[], entry: number, value: number): boolean {
  const news = !learned[entry] || value < learned[entry]
  if (news) learned[entry] = value
  return news
}

/**
 * Learns from the end of an attachment that was open, and tells whether that is new. `visible`: the
 * carrier has ended; else the client no longer believes in it.
 */
export function learnFromClose(m: Machine, attachment: Attachment, visible?: boolean): boolean {
  if (!attachment._openedAt || attachment._penalized || attachment._beaconBy || isPoll(attachment) ||
    exempt(m, attachment))
    return false
  const silence = visible ? Math.max(attachment._silence._gap, m._now - lastUse(attachment)) : attachment._silence._gap
  if (!visible && !silence) return false // nothing was asked for
  // A silence that it survived before did not end it (HF1-LIV-16).
  if (silence >= 2e3 && silence > attachment._silence._maxSurvived)
    return learn(attachment._transport, Idle, silence, 4)
  attachment._transport._before[Idle] = silence
  const ageAtClose = (visible ? m._now : attachment._silence._lastReceived) - attachment._openedAt
  return ageAtClose >= 12e3 && learn(attachment._transport, Age, ageAtClose, 10) // HF1-LIV-17
}

/** How long a poll may hang: as long as the server says, or as is known to work. */
export const holdOf = (m: Machine, { _transport }: Attachment): number =>
  Math.min(m._server.hold, Math.max(_transport._learned[Hold] || 25e3, 5e3))

/**
 * Learns from a poll that failed how long the next may hang, and tells whether that explains the
 * failure (HF1-POL-08).
 */
export function holdFailed(m: Machine, { _kind, _attachment, _startedAt }: Conn): boolean {
  const lasted = m._now - _startedAt
  const hold = holdOf(m, _attachment)
  return (
    _kind === 'poll' &&
    lasted >= 3e3 &&
    !exempt(m, _attachment) &&
    lower(_attachment._transport._learned, Hold, Math.max(~~(0.7 * Math.min(lasted, hold)), 5e3)) &&
    lasted < hold
  )
}
