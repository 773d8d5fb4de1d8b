// Which attachment carries the session (docs/protocol.md section 7).

import { stored } from '../stored.js'
import type { Fields } from '../wire/control.js'
import { endAttachment, queueControl } from './attachments.js'
import { responseTimeout, startRace } from './backoff.js'
import { due, trace } from './effects.js'
import type { Attachment, Machine } from './state.js'
import { acknowledged } from './transports.js'

/** How long an attachment is read after another was selected. */
const drainTimeout = 5e3

/** The attachment is being opened with the selection `u`. */
export const opensWith = (attachment: Attachment, u: number): boolean => !attachment._openedAt && attachment._u === u

/** The last u was confirmed, or every attachment it went out on was given up (HF1-SEL-07). */
export const maySelect = ({ _selection, _attachments }: Machine): boolean =>
  _selection._confirmedU >= _selection._u ||
  !_attachments.some((a) => a._useBy || opensWith(a, _selection._u))

/** The u of the next open: one race has one (HF1-SEL-02), one selection at a time (HF1-SEL-07). */
export function nextU(m: Machine): number {
  if (maySelect(m) && !m._attachments.some((a) => opensWith(a, m._selection._u))) m._selection._u++
  return m._selection._u
}

/**
 * Reads a selection that the server states: an attachment is ours only if it is named with our own
 * highest u (HF1-SEL-06).
 */
export function confirm(m: Machine, { u, att }: Fields['sel']): void {
  const attachment = m._attachments.find((a) => a._att === att && a._openedAt)
  m._selection._confirmedU = Math.max(m._selection._confirmedU, u)
  if (stored) m._selection._u = Math.max(m._selection._u, u) // HF1-SEL-07, when restored
  if (u !== m._selection._u || !attachment) return
  attachment._useBy = 0
  choose(m, attachment)
}

/** Makes it the attachment in use; the old one is read a while longer. */
function choose(m: Machine, attachment: Attachment): void {
  const old = m._current
  m._current = attachment
  attachment._detached = false
  attachment._leaveBy = 0
  if (old === attachment) return // no news, and no end of what is tried beside it
  if (old) old._leaveBy = m._now + drainTimeout
  startRace(m)
  trace(m, 'selected', attachment)
  m._liveness._progress = m._now
  m._log._ackSent = 0 // nothing proves that the last ack arrived
}

/**
 * Selects an attachment that stands by, if a selection may be made now (HF1-SEL-03, HF1-SEL-07).
 */
export function use(m: Machine, attachment: Attachment): boolean {
  const may = maySelect(m)
  if (may) {
    m._selection._u++
    attachment._useBy = m._now + 2 * responseTimeout(m)
    sendUse(m, attachment)
    choose(m, attachment)
  }
  return may
}

/** Sends use, and again until it is answered (HF1-SEL-04). */
export function sendUse(m: Machine, attachment: Attachment): void {
  const { _att, _challenge } = attachment
  attachment._useAt = m._now + responseTimeout(m) / 2
  due(m, attachment._useAt)
  queueControl(attachment, 'use', { u: m._selection._u, att: _att, challenge: _challenge, recv: m._log._recv })
}

/** Reads what every POST reply says, and the answer to use. */
export function replied(m: Machine, attachment: Attachment, { recv, sent, sel }: Fields): void {
  attachment._posts._misrouted = 0
  if (recv > m._output._known) {
    m._output._known = recv
    m._race._tries = 0
    acknowledged(attachment, recv) // the application's ack may lag behind many POSTs
  }
  // Only when nothing was missing before: a server that goes on sending moves no deadline.
  if (m._liveness._sentDown <= m._log._recv) m._liveness._sentDownAt = m._now
  m._liveness._sentDown = Math.max(m._liveness._sentDown, sent)
  confirm(m, sel)
}

/** No more data here. It may be selected again, unless it is gone (HF1-SEL-08, HF1-SEL-09). */
export function detached(m: Machine, attachment: Attachment, { code, gone }: Fields): void {
  trace(m, 'detached', attachment)
  if (gone) return endAttachment(m, attachment, code, 'detached')
  attachment._detached = true
  if (attachment !== m._current) attachment._leaveBy ||= m._now + drainTimeout
}
