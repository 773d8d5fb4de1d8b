// A TCP proxy that does what networks do. It understands no more of HTTP than whether a connection
// is a WebSocket's.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { cleanup } from './machines.mjs'

/**
 * Starts a proxy in front of a port of this machine. `webSocket` is what becomes of WebSockets:
 *
 *   pass      they go through
 *   swallow   101 is answered here, then every frame vanishes
 *   kill      they go through and are reset 200 ms after the 101
 *   silence   they went through, and from `silence()` on nothing passes any more, either way
 */
export async function middlebox(t, upstream, webSocket = 'pass') {
  const open = new Set()
  const seen = { webSockets: 0, connections: 0 }
  let silent = false

  const server = createServer((client) => {
    seen.connections++
    const link = { client, server: undefined, webSocket: false }
    open.add(link)
    const drop = () => {
      client.destroy()
      link.server?.destroy()
      open.delete(link)
    }
    link.reset = () => {
      reset(client)
      if (link.server) reset(link.server)
      open.delete(link)
    }
    client.on('error', drop)
    client.on('close', drop)
    client.once('data', (first) => {
      if (/^upgrade: *websocket/im.test(first.toString('latin1'))) {
        seen.webSockets++
        link.webSocket = true
        if (webSocket === 'swallow') return swallow(client, first)
      }
      forward(link, first, drop)
    })
  })

  function forward(link, first, drop) {
    const { client } = link
    const far = connect(upstream, '127.0.0.1')
    link.server = far
    far.setNoDelay(true)
    client.setNoDelay(true)
    far.on('error', drop)
    far.on('close', () => client.destroySoon()) // once it has what came
    far.write(first)
    const passing = () => !(silent && link.webSocket)
    client.on('data', (bytes) => {
      if (passing()) far.write(bytes)
    })
    far.on('data', (bytes) => {
      if (passing()) client.write(bytes)
    })
    if (link.webSocket && webSocket === 'kill') far.once('data', () => setTimeout(link.reset, 200))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup(t, () => {
    for (const link of open) link.reset()
    server.close()
  })
  return {
    port: server.address().port,
    seen,
    /** Resets what is open; returns how many connections that were. */
    cut() {
      const links = [...open]
      for (const link of links) link.reset()
      return links.length
    },
    /** The WebSockets of this moment and those to come fall silent. */
    silence() {
      silent = true
    },
  }
}

/**
 * Resets a connection. In the midst of a regular end Node cannot, and would wait for it for ever:
 * then it is cut without a reset.
 */
const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy())

/** Answers a WebSocket's handshake and says no more. */
function swallow(client, request) {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request.toString('latin1'))[1]
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  client.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  client.resume()
}
