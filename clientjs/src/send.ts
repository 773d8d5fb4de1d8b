// What goes out, and when: POSTs are dialled, WebSockets woken, batches made as carriers can take them.

import { active } from './alive.js'
import { byteLength, encodeControl, utf8 } from './codec.js'
import { fits, told } from './log.js'
import { holdOf, speaks } from './learn.js'
import { dial } from './paths.js'
import { due, isPoll, patience, type Conn, type Machine, type Path } from './state.js'
import { limitOf, wrote } from './ways.js'

const isSocket = (path?: Path) => path?._way._name === 'websocket'

/** Starts the POSTs that are due and wakes the WebSockets that have something to write. */
export function pump(m: Machine): void {
  planAck(m)
  for (const path of m._paths) {
    const conns = m._conns.filter((c) => c._path === path)
    const down = conns.find((c) => c._kind !== 'up') // WebSocket, stream or hanging poll
    if (!path._openedAt) continue
    if (hasOutput(m, path))
      if (isSocket(path)) m._actions.push((host) => host._write(down!))
      // HF1-POL-05: one at a time. HF1-LIV-06 gives its deadline.
      else if (!conns.some((c) => c !== down) && mayPost(m, path)) dial(m, path, 'up', m._now + Math.min(patience(m), 10e3))
    // HF1-POL-04
    if (isPoll(path) && path === m._cur && !down && (!path._pollAt || due(m, path._pollAt)) && mayPost(m, path)) {
      path._pollAt = 0
      dial(m, path, 'poll', m._now + holdOf(m, path) + patience(m))
    }
  }
}

/** HF1-POL-09 */
const mayPost = (m: Machine, { _pause, _postAt }: Path) => !_pause || due(m, _postAt)

/** The window lets a log line go. */
export const lineWaits = (m: Machine, path: Path): boolean => fits(m, position(m, path) + 1, m._server.win)

/** There are controls, log lines the window lets go, or an ack that is due. */
const hasOutput = (m: Machine, path: Path): boolean =>
  !!path._ctl || (path === m._cur && (lineWaits(m, path) || due(m, m._ackAt)))

/** The last up line that counts as sent on the path: on HTTP what the server has stated, since POSTs go one at a time. */
const position = (m: Machine, path: Path): number => (isSocket(path) ? path._pos : m._known)

/** Plans the ack that rides alone (HF1-NUM-11). */
function planAck(m: Machine): void {
  const unsaid = m._taken - m._told
  if (!unsaid) m._ackAt = 0
  else if (unsaid > 31 || m._takenCost >= m._server.win / 4) m._ackAt = m._now
  else m._ackAt ||= m._now + (isSocket(m._cur) ? 100 : 250)
  due(m, m._ackAt)
}

/** How much may ride in an open: a network that refuses large bodies must not refuse the session. */
const early = 4096

/**
 * Makes the next batch of a carrier: controls, and as many lines as the window, the server and the path take, one at least,
 * and books it. Undefined: nothing now, or the one batch of a POST is made.
 */
export function next(m: Machine, conn: Conn): string | Uint8Array | undefined {
  const { _path: path, _kind: kind, _first: first } = conn
  const { run, lim } = m._server
  m._now = m._clock()
  if (!m._conns.includes(conn) || !(first || (kind === 'socket' && path._openedAt && hasOutput(m, path)))) return
  conn._first = false
  if (kind === 'socket') {
    speaks(m, path)
    path._spoke = m._now
  }
  const who = { key: m._key, run, att: path._att }
  const recv = m._recv
  let { win } = m._server
  let limit = lim.maxBatch
  let pos = m._base
  let controls = path._ctl
  if (first && kind === 'poll') {
    // Its log lines go by up.
    controls = encodeControl(kind, { ...who, p: ++path._p, recv, hold: holdOf(m, path) })
    win = -1
    told(m)
  } else if (first && kind !== 'up') {
    controls = encodeControl('open', {
      v: [1],
      ...who,
      u: path._u,
      recv,
      lim: { maxBatch: m._takesBatch },
      auth: m._auth,
      meta: m._meta,
    })
    // Early messages go along if the server was never heard (HF1-ATT-08).
    if (run) win = -1
    limit = early
  } else {
    path._ctl = ''
    if (kind === 'up') {
      conn._ctl = controls
      controls = encodeControl(kind, who) + controls
    }
    // Beside the path in use there are no lines, but a first that cannot look like a gap (HF1-NUM-06).
    if (path !== m._cur) win = -1
    if (path === m._cur || kind === 'up') {
      pos = position(m, path)
      m._ackAt = 0
      told(m)
    }
  }
  return lines(m, path, pos, `@${pos + 1} ${m._taken}\n${controls}`, controls.length, win, Math.min(limit, limitOf(m, path)))
}

/** Adds lines after `pos` to a head with controls. On a WebSocket a binary line goes by itself, as a binary frame (HF1-BAT-14). */
function lines(m: Machine, path: Path, pos: number, head: string, controls: number, win: number, limit: number) {
  let batch: string | Uint8Array = head
  let size = byteLength(batch)
  let to = pos
  while (fits(m, to + 1, win)) {
    const { _line, _raw, _more } = m._entries[to - m._base]!
    const frame = _raw && m._server.run && isSocket(path)
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
  m._sent = Math.max(m._sent, to)
  if (to > pos) {
    active(m)
    wrote(path, size, to)
    path._pos = to
  }
  return batch
}
