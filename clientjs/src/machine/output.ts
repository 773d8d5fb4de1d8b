// What goes out, and when: POSTs are dialled, WebSockets woken, batches made as carriers can take
// them.

import { byteLength, encodeControl, utf8 } from '../wire/codec.js'
import { fits, noteAckSent } from '../wire/log.js'
import { dial } from './attachments.js'
import { responseTimeout } from './backoff.js'
import { close } from './closing.js'
import { due, emit } from './effects.js'
import { holdOf, noteSent } from './learning.js'
import { noteActive } from './liveness.js'
import { mayPost } from './posts.js'
import { isPoll, isSocket, type Attachment, type Conn, type Machine } from './state.js'
import { batchLimit } from './transports.js'

/** Starts the POSTs that are due and wakes the WebSockets that have something to write. */
export function pump(m: Machine): void {
  // The ack that rides alone (HF1-NUM-11).
  const unsent = m._log._taken - m._log._ackSent
  if (!unsent) m._output._ackAt = 0
  else if (unsent > 31 || m._log._takenCost >= m._server.win / 4) m._output._ackAt = m._now
  else m._output._ackAt ||= m._now + (isSocket(m._current) ? 100 : 250)
  due(m, m._output._ackAt)
  for (const a of m._attachments) {
    const conns = m._conns.filter((c) => c._attachment === a)
    const down = conns.find((c) => c._kind !== 'up') // WebSocket, stream or hanging poll
    if (!a._openedAt) continue
    if (hasOutput(m, a))
      if (isSocket(a)) emit(m, (host) => host._write(down!))
      // HF1-POL-05: one at a time. HF1-LIV-06 gives its deadline.
      else if (!conns.some((c) => c !== down) && mayPost(m, a))
        dial(m, a, 'up', m._now + Math.min(responseTimeout(m), 10e3))
    // HF1-POL-04
    if (
      isPoll(a) &&
      a === m._current &&
      !down &&
      (!a._posts._pollAt || due(m, a._posts._pollAt)) &&
      mayPost(m, a)
    ) {
      a._posts._pollAt = 0
      dial(m, a, 'poll', m._now + holdOf(m, a) + responseTimeout(m))
    }
  }
}

/** The window lets a log line go. */
export const lineWaits = (m: Machine, attachment: Attachment): boolean =>
  fits(m._log, position(m, attachment) + 1, m._server.win)

/** There are controls, log lines that the window lets go, or an ack that is due. */
const hasOutput = (m: Machine, attachment: Attachment): boolean =>
  !!attachment._ctl ||
  (attachment === m._current && (lineWaits(m, attachment) || due(m, m._output._ackAt)))

/**
 * The last up line that counts as sent on the attachment: on HTTP what the server has stated, since
 * there is one POST at a time.
 */
const position = (m: Machine, attachment: Attachment): number =>
  isSocket(attachment) ? attachment._written._pos : m._output._known

/**
 * How much may ride in an open: a network that refuses large bodies must not refuse the session.
 */
const maxEarly = 4096

/**
 * Closes a session whose page goes, and makes the one POST that may outlive the page. Everything
 * that the page has written may be lost with its connections, so this repeats all lines. Undefined
 * if there is nobody to tell.
 */
export function goodbye(m: Machine): string | undefined {
  close(m, 4100, '1001') // "going away", for whoever reads it as the close of a WebSocket
  const attachment = m._current
  if (!attachment) return
  attachment._written._pos = m._output._known = m._log._base
  dial(m, attachment, 'up', m._now + 10e3)
  return next(m, m._conns.at(-1)!) as string
}

/**
 * Makes the next batch of a carrier: controls, and as many lines as the window, the server and the
 * attachment take, one at least, and books it. Undefined: nothing now, or the one batch of a POST
 * is made.
 */
export function next(m: Machine, conn: Conn): string | Uint8Array | undefined {
  const { _attachment, _first } = conn
  const { _log } = m
  const { run, lim } = m._server
  const inUse = _attachment === m._current
  m._now = m._config._clock()
  if (
    !m._conns.includes(conn) ||
    !(_first || (conn._kind === 'socket' && _attachment._openedAt && hasOutput(m, _attachment)))
  )
    return
  conn._first = false
  if (conn._kind === 'socket') {
    noteSent(m, _attachment)
    _attachment._silence._lastSent = m._now
  }
  const who = { key: m._config._key, run, att: _attachment._att }
  const recv = _log._recv
  let { win } = m._server
  let limit = lim.maxBatch
  let pos = _log._base
  let controls = _attachment._ctl
  if (_first && conn._kind === 'poll') {
    // Its log lines go by up.
    const p = ++_attachment._posts._polls
    controls = encodeControl(conn._kind, { ...who, p, recv, hold: holdOf(m, _attachment) })
    win = -1
    noteAckSent(_log)
  } else if (_first && conn._kind !== 'up') {
    controls = encodeControl('open', {
      v: [1],
      ...who,
      u: _attachment._u,
      recv,
      lim: { maxBatch: m._config._maxBatch },
      auth: m._config._auth,
      meta: m._config._meta,
    })
    // Early messages go along if the server has not answered yet (HF1-ATT-08).
    if (run) win = -1
    limit = maxEarly
  } else {
    _attachment._ctl = ''
    if (conn._kind === 'up') {
      conn._ctl = controls
      controls = encodeControl(conn._kind, who) + controls
    }
    // Beside the attachment in use there are no lines, but a first that cannot look like a gap
    // (HF1-NUM-06).
    if (!inUse) win = -1
    if (inUse || conn._kind === 'up') {
      pos = position(m, _attachment)
      m._output._ackAt = 0
      noteAckSent(_log)
    }
  }
  const head = `@${pos + 1} ${_log._taken}\n${controls}`
  return writeLines(m, conn, pos, head, controls.length, win, Math.min(limit, batchLimit(m, _attachment)))
}

/**
 * Adds lines after `pos` to a head with controls. On a WebSocket a binary line goes by itself, as a
 * binary frame (HF1-BAT-14).
 */
function writeLines(
  m: Machine,
  { _kind, _attachment }: Conn,
  pos: number,
  head: string,
  controls: number,
  win: number,
  limit: number,
) {
  let batch: string | Uint8Array = head
  let size = byteLength(batch)
  let to = pos
  while (fits(m._log, to + 1, win)) {
    const { _line, _raw, _more } = m._log._entries[to - m._log._base]!
    const frame = _raw && m._server.run && _kind === 'socket'
    const added = byteLength(_line)
    // Long controls leave no room for a line that should pass where little does (I7).
    if (to > pos ? frame || size + added > limit : frame ? controls : size + added > limit && controls > 400) break
    to++
    size += added
    if (frame) {
      batch = new Uint8Array([...utf8.encode(_more ? head.replace('\n', ' +\n') : head), ..._raw])
      size = batch.length
      break
    }
    batch += _line
  }
  m._log._sent = Math.max(m._log._sent, to)
  if (to > pos) {
    noteActive(m)
    const { _written } = _attachment
    // One as large as the first does not take its place, or a flow that never pauses would see none
    // arrive.
    if (size > _written._inFlight) {
      _written._inFlight = size
      _written._to = to
    }
    _written._pos = to
  }
  return batch
}
