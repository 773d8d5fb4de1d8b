// A better transport than the one in use, and what is no longer wanted.

import { attach, endAttachment } from './attachments.js'
import { due } from './effects.js'
import { use } from './selection.js'
import { Age, Cooldown, healthy, isPoll, type Attachment, type Machine } from './state.js'
import { move } from './suspicion.js'

/** The session goes on, and may do so on another attachment. */
const mayMove = ({ _refusals, _closing }: Machine) => !_refusals._waitAuth && !_closing._local && !_closing._peer

/** Tries better transports than the one in use, and selects one that is validated (HF1-LIV-11). */
export function promote(m: Machine): void {
  const inUse = healthy(m)
  if (!inUse || inUse._useBy || !mayMove(m)) return
  for (const transport of m._transports) {
    if (transport === inUse._transport) return
    const attachment = m._attachments.find((a) => a._transport === transport && !a._leaveBy)
    if (attachment) {
      if (attachment._validated) use(m, attachment)
    } else if (transport._learned[Cooldown]! > m._now) {
      due(m, transport._learned[Cooldown])
      continue
    } else attach(m, transport)
    return // one at a time, the best first
  }
}

/**
 * Closes what is no longer wanted: an attachment that was in use, after its drainTimeout, and worse
 * ones once the one in use is validated.
 */
export function closeUnused(m: Machine): void {
  const { _current } = m
  if (_current && !_current._useBy)
    for (const a of m._attachments)
      if (
        a !== _current &&
        (a._leaveBy
          ? a._detached || due(m, a._leaveBy)
          : _current._validated && !_current._suspect && a._transport._rank >= _current._transport._rank)
      )
        endAttachment(m, a)
}

/** Leaves an attachment in use that will soon be of the age that ends it here (HF1-LIV-17). */
export function rotateByAge(m: Machine, attachment: Attachment): void {
  const age = attachment._transport._learned[Age]!
  if (
    !attachment._useBy &&
    !isPoll(attachment) &&
    mayMove(m) &&
    age &&
    due(m, attachment._openedAt + Math.max(0.8 * age, 9600))
  )
    move(m, attachment, 'age')
}
