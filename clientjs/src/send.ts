// What goes out, and when: POSTs are dialled, WebSockets woken, batches made as carriers can take them.

import { encodeControl } from './codec.js'
import { fill, fits, told } from './log.js'
import { dial } from './paths.js'
import { clamp, connOf, due, patience, type Conn, type Machine, type Path } from './state.js'

const isSocket = (path: Path) => path._way._name === 'websocket'

/** Starts the POSTs that are due and wakes the WebSockets that have something to write. */
export function pump(m: Machine): void {
  planAck(m)
  for (const path of m._paths) {
    if (path._state !== 'open') continue
    if (isSocket(path)) {
      if (path._down && hasOutput(m, path)) m._actions.push({ _do: 'write', _conn: path._down._id })
      continue
    }
    // HF1-POL-05: one at a time. HF1-LIV-06 gives its deadline.
    if (!path._up && hasOutput(m, path)) path._up = dial(m, path, 'up', m._now + clamp(4 * m._rtt, 2e3, 10e3))
    // HF1-POL-04
    if (path._way._name === 'longpoll' && path === m._cur && !path._down && (!path._pollAt || due(m, path._pollAt))) {
      path._pollAt = 0
      path._down = dial(m, path, 'poll', m._now + m._hold + patience(m))
    }
  }
}

/** There are controls, log lines the window lets go, or an ack that is due. */
const hasOutput = (m: Machine, path: Path): boolean =>
  !!path._ctl ||
  (path === m._cur && (fits(m._out, position(m, path) + 1, m._win) || (!!m._ackAt && m._now >= m._ackAt)))

/** The last up line that counts as sent on the path: on HTTP what the server has stated, since POSTs go one at a time. */
const position = (m: Machine, path: Path): number => (isSocket(path) ? path._pos : Math.max(m._known, m._out._base))

/** Plans the ack that rides alone (HF1-NUM-11). */
function planAck(m: Machine): void {
  const { _taken, _told, _takenCost } = m._in
  if (_taken === _told) m._ackAt = 0
  else if (_taken - _told > 31 || _takenCost >= m._win / 4) m._ackAt = m._now
  else m._ackAt ||= m._now + (m._cur && isSocket(m._cur) ? 100 : 250)
  due(m, m._ackAt)
}

/** Makes the next batch of a carrier. Undefined: nothing now, or the one batch of a POST is made. */
export function next(m: Machine, id: number, now: number): string | undefined {
  m._now = now
  const conn = connOf(m, id)
  if (!conn) return
  const path = conn._path
  const kind = conn._kind
  if (conn._first) {
    conn._first = false
    return kind === 'poll' ? pollBatch(m, path) : kind === 'up' ? upBatch(m, conn) : openBatch(m, path)
  }
  if (kind === 'socket' && path._state === 'open' && hasOutput(m, path)) return frame(m, path)
  return
}

/** What opens an attachment, with early messages if the server was never heard (HF1-ATT-08). */
function openBatch(m: Machine, path: Path): string {
  const { _key, _maxBatch, _auth, _meta } = m._cfg
  const open = encodeControl('open', {
    v: [1],
    key: _key,
    run: m._run || undefined,
    att: path._att,
    u: path._u || undefined,
    recv: m._in._recv,
    lim: { maxBatch: _maxBatch },
    auth: _auth,
    meta: _meta,
  })
  return write(m, path, m._out._base, open, m._run ? 0 : m._win)
}

/** Its log lines go by up. */
function pollBatch(m: Machine, path: Path): string {
  const poll = encodeControl('poll', { ...address(m, path), p: ++path._p, recv: m._in._recv, hold: m._hold })
  told(m._in)
  return write(m, path, m._out._base, poll, 0)
}

/** The body of an up request: address, controls, and log lines if this is the path in use. */
function upBatch(m: Machine, conn: Conn): string {
  const path = conn._path
  conn._ctl = path._ctl
  path._ctl = ''
  const ctl = encodeControl('up', address(m, path)) + conn._ctl
  const batch = write(m, path, position(m, path), ctl, path === m._cur ? m._win : 0)
  saidAck(m)
  return batch
}

/** One frame of a WebSocket that is open. */
function frame(m: Machine, path: Path): string {
  const ctl = path._ctl
  path._ctl = ''
  // Without lines, a first that cannot look like a gap (HF1-NUM-06).
  if (path !== m._cur) return write(m, path, m._out._base, ctl, 0)
  const batch = write(m, path, path._pos, ctl, m._win)
  saidAck(m)
  return batch
}

const address = (m: Machine, path: Path) => ({ key: m._cfg._key, run: m._run, att: path._att })

function saidAck(m: Machine): void {
  told(m._in)
  m._ackAt = 0
}

/** Fills a batch from `pos` within what the server and the path take, and books it for HF1-ATT-07. */
function write(m: Machine, path: Path, pos: number, controls: string, win: number): string {
  const { _text, _size, _to } = fill(m._out, pos, m._in._taken, controls, win, Math.min(m._maxBatch, path._way._limit))
  if (_to > pos) {
    m._lastLog = m._now
    if (_size >= path._batch) {
      path._batch = _size
      path._batchTo = _to
    }
  }
  if (win) path._pos = _to
  return _text
}
