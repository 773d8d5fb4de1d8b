// What a cell gets: the server's port, a folder, ports for its middlebox, and programs that end
// with it.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { scratch, serve, start, until } from '../../clientjs/browser/machines.mjs'

// The default is below the ports that the system gives to outgoing connections.
const firstPort = Number(process.env.ZOO_PORT ?? 24_000)
const portsOfCell = 8
const openBoxes = new Set()

/** Ends everything that any cell has started. */
export const closeAll = () => Promise.all([...openBoxes].map((box) => box.close()))

/** The helpers in clientjs/browser/machines.mjs take it for a test, because it has `after`. */
export class Box {
  #undo = []
  #events = []
  #next
  logs = []

  /** `slot` is the cell's place in the list: its ports are the same in every run, if free. */
  constructor(slot, programs = {}) {
    this.slot = slot
    this.programs = programs
    this.#next = firstPort + slot * portsOfCell
    this.folder = scratch(this)
    openBoxes.add(this)
    chmodSync(this.folder, 0o755) // a program that root starts may run as another user
  }

  after(undo) { this.#undo.push(undo) }

  /** Ends everything that the cell has started. */
  async close() {
    while (this.#undo.length) await this.#undo.pop()()
    openBoxes.delete(this)
  }

  /** Calls `action` so many milliseconds after the page began to connect. */
  at(ms, action) { this.#events.push([ms, action]) }

  begin() {
    this.beganAt = Date.now()
    const timers = this.#events.map(([ms, action]) => setTimeout(action, ms))
    this.after(() => timers.forEach(clearTimeout))
  }

  /** Milliseconds since the page began to connect. */
  get age() { return this.beganAt === undefined ? 0 : Date.now() - this.beganAt }

  write(name, text) {
    const file = join(this.folder, name)
    writeFileSync(file, text)
    return file
  }

  async port() {
    for (;;) {
      const port = this.#next++
      const server = createServer()
      server.listen(port, '127.0.0.1')
      const free = await once(server, 'listening').then(() => true, () => false)
      if (!free) continue
      server.close()
      await once(server, 'close')
      return port
    }
  }

  /** Starts a program that listens on `port`, and waits until it does. */
  async program(port, command, args, environment = {}) {
    const { child, gone, log } = start(this, command, args, environment)
    this.logs.push([command, log])
    let failed = false
    gone.then(() => { failed = true })
    await until(`${command} listens`, 20_000, async () => {
      if (failed) throw new Error(`${command} did not start:\n${log.slice(-20).join('\n')}`)
      const socket = connect(port, '127.0.0.1')
      const open = await once(socket, 'connect').then(() => true, () => false)
      socket.destroy()
      return open
    })
    return child
  }

  /** Starts the server; returns its port. */
  server() { return serve(this, this.programs.server) }

  /** Starts conformance/middlebox in front of the server; returns its port. */
  middlebox(modes) {
    const target = `http://127.0.0.1:${this.upstream}`
    return serve(this, this.programs.middlebox, ['middlebox', '-mode', modes, '-target', target])
  }

  /** A certificate that nobody trusts; returns the files of the key and of the certificate. */
  certificate() {
    const files = ['key.pem', 'cert.pem'].map((name) => join(this.folder, name))
    const what = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=zoo']
    const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', files[0], '-out', files[1]]
    execFileSync('openssl', ['req', ...what, ...names], { stdio: 'ignore' })
    return files
  }

  /** A TLS terminator in front of a port, for a proxy that intercepts https; returns its port. */
  async tls(upstream) {
    const [key, cert] = this.certificate().map((file) => readFileSync(file))
    const options = { key, cert, ALPNProtocols: ['http/1.1'] }
    return this.listen(createTlsServer(options, (client) => joined(client, connect(upstream, '127.0.0.1'))))
  }

  /** Lets a server of this process listen as long as the cell runs; returns its port. */
  async listen(server) {
    const sockets = new Set()
    for (const event of ['connection', 'secureConnection'])
      server.on(event, (socket) => {
        sockets.add(socket)
        socket.on('error', () => {}).on('close', () => sockets.delete(socket))
      })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return server.address().port
  }
}

/** Joins two sockets: each gets what the other sends, and they end together. */
export function joined(one, other) {
  for (const [a, b] of [[one, other], [other, one]]) {
    a.on('error', () => b.destroy()).on('close', () => b.destroy())
    a.pipe(b)
  }
}
