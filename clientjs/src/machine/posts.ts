// What becomes of a POST: it failed, had no answer, or was answered.

import { abandonPoll, hangup, requeue } from './attachments.js'
import { due } from './effects.js'
import { holdFailed } from './learning.js'
import { clamp, type Attachment, type Conn, type Machine } from './state.js'
import { uplinkDead } from './suspicion.js'
import { lost, refused } from './transports.js'

/** Whether a POST need not wait (HF1-POL-09). */
export const mayPost = (m: Machine, { _posts }: Attachment): boolean => !_posts._pause || due(m, _posts._at)

/**
 * One failure may be chance, and the request is made again with the same numbers (HF1-POL-05); two
 * in a row end the attachment. A server that is busy gets requests less often, but no smaller ones,
 * which would only make more of them (HF1-POL-09).
 */
export function postFailed(m: Machine, conn: Conn, reason: string): void {
  const { _attachment } = conn
  const { _posts } = _attachment
  const busy = /status (429|503)/.test(reason)
  requeue(m, conn)
  if (busy) _posts._at = m._now + (_posts._pause = clamp(2 * _posts._pause, 100, 2e3))
  else if (reason === 'no answer') lost(_attachment)
  else refused(_attachment)
  if (!holdFailed(m, conn) && ++_posts._failures > (busy ? 4 : 1)) uplinkDead(m, _attachment, conn._startedAt, reason)
}

/** An answer came, or the next batch of a stream, which says nothing of what is posted for it. */
export function postAnswered(m: Machine, { _posts }: Attachment): void {
  _posts._failures = 0
  _posts._at = m._now + (_posts._pause >>= 1)
}

/** Gives up the POSTs that had no answer in time (HF1-LIV-06). */
export function checkPosts(m: Machine): void {
  for (const conn of [...m._conns].reverse())
    // The end of one may have ended others.
    if (m._conns.includes(conn) && due(m, conn._by)) {
      hangup(m, conn, 4002)
      abandonPoll(m, conn._attachment)
      postFailed(m, conn, 'no answer')
    }
}
