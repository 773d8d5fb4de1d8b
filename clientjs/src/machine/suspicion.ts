// Attachments that may be dead.

import { endAttachment } from './attachments.js'
import { growTimeout, responseTimeout, startRace } from './backoff.js'
import { trace } from './effects.js'
import { learnFromClose, penalize } from './learning.js'
import type { Attachment, Machine } from './state.js'
import { lost, startCooldown } from './transports.js'

/**
 * Takes an attachment for perhaps dead: if it is the one in use another is opened beside it, else
 * it is dropped.
 */
export function markSuspect(m: Machine, attachment: Attachment, reason: string): void {
  if (attachment._suspect) return
  trace(m, 'suspect', attachment, reason)
  attachment._penalized ||= learnFromClose(m, attachment)
  if (attachment !== m._current) return endAttachment(m, attachment, 4002, reason)
  attachment._suspect = true
  if (!attachment._penalized) {
    penalize(m, attachment)
    lost(attachment)
    attachment._penalized = true // not twice for one end
  }
  startRace(m, m._now)
}

/** A ping or a use had no answer: the attachment is dead, or slower than was thought. */
export function pingUnanswered(m: Machine, attachment: Attachment, reason: string): void {
  if (!attachment._suspect) growTimeout(m)
  markSuspect(m, attachment, reason)
}

/**
 * Leaves an attachment before it fails: another is opened beside it, and selected when it is open.
 * No pong keeps the old one.
 */
export function move(m: Machine, attachment: Attachment, reason: string): void {
  attachment._penalized = true // nothing is wrong with it
  attachment._ping._i = 0
  markSuspect(m, attachment, reason)
}

/** A stream brought something after the time of a POST that had no answer. */
export const heardSince = ({ _transport, _silence }: Attachment, time: number): boolean =>
  _transport._name === 'sse' && _silence._lastReceived > time

/**
 * Gives up an attachment whose POSTs have no answers. If its stream still brings something it is
 * not dead: the POSTs may wait for the very connection that it holds, so it ends at once, with a
 * cooldown (HF1-SSE-09). Or all answers take that long here, and the next attachment gives them
 * more time (HF1-LIV-06).
 */
export function uplinkDead(m: Machine, attachment: Attachment, sentAt: number, reason: string): void {
  if (m._now - sentAt >= responseTimeout(m) && !attachment._suspect) growTimeout(m)
  const heard = heardSince(attachment, sentAt)
  if (heard) startCooldown(m, attachment._transport)
  endAttachment(m, attachment, heard ? 4004 : 4005, reason)
}
