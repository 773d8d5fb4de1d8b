// What the tests of real clients share: the binary with -gateway before a backend, a middlebox that
// cuts every connection, and the WebSocket class that the clients are given in place of Node's or
// the ws package's.
import { once } from 'node:events'
import { WebSocketServer, WebSocket as Inner } from 'ws'
import { WebSocket } from '../dist/websocket.mjs'
import { built, cleanup, start, until } from '../browser/machines.mjs'
import { middlebox } from '../browser/middlebox.mjs'

const program = built('server/cmd/holdfast', [])

/** Every class that was made of it; a client that makes a second socket has noticed something. */
export class Counted extends WebSocket {
  static options = { WebSocket: Inner }
  static made = 0

  constructor(...given) {
    super(...given)
    Counted.made++
  }
}

/** A WebSocket server of the ws package; `serve` is called with each connection. */
export async function wsServer(t, options = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  await once(server, 'listening')
  cleanup(t, () => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  return server
}

/** Puts the gateway and the middlebox before a backend. `cut` breaks everything that is open. */
export async function behind(t, port) {
  Counted.made = 0
  const { log } = start(t, program, [
    '-addr',
    '127.0.0.1:0',
    '-gateway',
    `ws://127.0.0.1:${port}`,
    '-log-level',
    'debug',
  ])
  const endpoint = await until('the server', 20_000, () =>
    log.map((line) => /^Endpoint: +(\S+)/.exec(line)?.[1]).find(Boolean),
  )
  const box = await middlebox(t, Number(new URL(endpoint).port))
  const seen = { cuts: 0, broken: 0 }
  return {
    url: `ws://127.0.0.1:${box.port}/holdfast`,
    seen,
    cut() {
      seen.broken += box.cut()
      seen.cuts++
    },
  }
}
