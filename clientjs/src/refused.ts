// What the client does when it is refused (docs/protocol.md sections 12 and 13).

import { raceFrom } from './attach.js'
import type { Fields } from './control.js'
import { fault, finish, kill, unsaid } from './paths.js'
import { Rest, sound, trace, type Conn, type Machine, type Path } from './state.js'
import { takeRest } from './ways.js'

/** Refusals that are faults of the attachment, and those above that end the session. */
const codes: Record<string, number> = { position: 4302, malformed: 4303, version: 4305, origin: 4306, policy: 4306 }

/** Acts on a refusal as docs/protocol.md tables it (HF1-ERR-04). */
export function refused(m: Machine, path: Path, { reason, retry }: Fields, conn: Conn): void {
  const code = codes[reason]!
  let wait = 0
  trace(m, 'refused', path, reason)
  // A proxy that rewrites Host makes a WebSocket's Origin look foreign; a POST tells it better, and then the session is bound to it.
  if (reason === 'origin' && path._way._name === 'websocket' && (m._server.run || !m._foreign)) {
    m._foreign = true
    takeRest(m, path._way)
    return kill(m, path, 4004, 'refused origin')
  }
  if (code > 4304) return finish(m, code, reason)
  if (code) return fault(m, path, 'refused: ' + reason, code)
  if (reason === 'unknown') {
    // The server of this path knows the session, so the POST has reached another one. It is made again, a few times in a row.
    if (path._openedAt && conn._by && path._strays++ < 4) return unsaid(m, conn)
    // It ends the session only if no other path lives and it is repeated over more than a second.
    wait = 1100
    if (!m._paths.some((p) => p !== path && p._openedAt && !p._suspect)) {
      m._unknownAt ||= m._now
      if (m._now - m._unknownAt > 1e3) return finish(m, 4204, reason)
    }
  } else if (reason === 'auth') {
    raceFrom(m, m._raceAt) // the transport is not at fault
    // For an open that went out with the old ones the application was asked already.
    if (!m._waitAuth && !(conn._born < m._authAt!)) {
      if (m._reauthed) return finish(m, 4301, reason)
      m._reauthed = m._waitAuth = true
      m._actions.push((host) => host._ask())
    }
  } else {
    wait = retry! > 0 ? Math.max(retry!, 100) : 5e3 // its type is not checked before
    wait += (m._random() * wait) / 2
  }
  kill(m, path, 4004, 'refused ' + reason)
  if (wait)
    if (!sound(m)) raceFrom(m, (m._notBefore = m._now + wait))
    else if (reason === 'unknown') takeRest(m, path._way) // this transport leads to another server
    else path._way._facts[Rest] = Math.max(path._way._facts[Rest]!, m._now + wait)
}
