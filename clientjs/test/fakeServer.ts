// A server of one application and many sessions over WebSockets that a test can cut, enough of
// docs/protocol.md for a client that behaves. It books what the application is given and every use
// of a number for another message.
import type { WebSocketLike } from '../src/types.js'
import type { Life } from './fakePage.js'

/** A session as the server knows it. */
export class ServerSession {
  readonly run: string
  /** Messages that the application was given, by number. */
  readonly up: string[] = []
  /** Lines of the other direction, never freed: that no ack goes too far is what is tested. */
  readonly down: string[] = []
  /** The client has taken the lines up to this. */
  acked = 0
  u = 0
  att = 0
  atts = new Set<number>()
  socket: ServerSocket | undefined
  over: { code: number; reason: string } | undefined

  constructor(run: string) {
    this.run = run
  }

  send(text: string): void {
    this.down.push(text)
    if (this.socket) this.socket.flush(this)
  }
}

/** What breaks the rules. */
type Book = (complaint: string) => void

export class FakeServer {
  readonly sessions = new Map<string, ServerSession>()
  readonly complaints: string[] = []
  private readonly sockets = new Set<ServerSocket>()
  /** Keeps one-way delay of frames, ms. */
  delay = 5
  onMessage: (session: ServerSession, text: string) => void = () => {}
  onSession: (session: ServerSession) => void = () => {}

  /** The WebSocket of a page. */
  socketFor(life: Life): new (url: string) => WebSocketLike {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const server = this
    return class implements WebSocketLike {
      binaryType = ''
      bufferedAmount = 0
      onopen: ((event: unknown) => void) | null = null
      onmessage: ((event: unknown) => void) | null = null
      onclose: ((event: unknown) => void) | null = null
      onerror: ((event: unknown) => void) | null = null
      private readonly peer: ServerSocket | undefined

      constructor() {
        if (!life.step()) return
        const socket = new ServerSocket(server, (event, data) =>
          life.receive(() => {
            if (!life.step()) return
            if (event === 'open') this.onopen?.({})
            else if (event === 'message') this.onmessage?.({ data })
            else this.onclose?.({ code: 1006, reason: '' })
          }),
        )
        this.peer = socket
        server.sockets.add(socket)
        life.onDeath.push(() => socket.cut())
      }
      send(data: string | Uint8Array): void {
        if (life.step()) this.peer!.fromClient(data)
      }
      close(): void {
        if (!life.dead) this.peer?.cut()
      }
    }
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of [...this.sockets]) socket.cut()
  }

  /** Forgets every session, as a server that is started anew. */
  restart(): void {
    this.cut()
    this.sessions.clear()
  }

  forget(socket: ServerSocket): void {
    this.sockets.delete(socket)
  }
}

const opened = (s: ServerSession, att: number) =>
  '!opened ' +
  JSON.stringify({
    v: 1,
    id: `id-${s.run}`,
    run: s.run,
    node: 'n',
    att,
    recv: s.up.length,
    sel: { u: s.u, att: s.att },
    lim: { maxBatch: 65536, maxMessage: 1 << 20 },
    win: 1 << 21,
    ping: 20_000,
    hold: 20_000,
    ttl: 120_000,
    challenge: 'c',
  }) +
  '\n'

class ServerSocket {
  private alive = true
  private session: ServerSession | undefined
  private att = 0
  private pos = 0
  private readonly server: FakeServer
  private readonly notify: (event: 'open' | 'message' | 'close', data?: string) => void

  constructor(server: FakeServer, notify: (event: 'open' | 'message' | 'close', data?: string) => void) {
    this.server = server
    this.notify = notify
    setTimeout(() => this.alive && this.notify('open'), server.delay)
  }

  cut(): void {
    if (!this.alive) return
    this.alive = false
    this.server.forget(this)
    if (this.session?.socket === this) this.session.socket = undefined
    setTimeout(() => this.notify('close'), this.server.delay)
  }

  private answer(text: string): void {
    setTimeout(() => this.alive && this.notify('message', text), this.server.delay)
  }

  /** What is on its way arrives even if the page is gone. */
  fromClient(data: string | Uint8Array): void {
    setTimeout(() => this.take(data), this.server.delay)
  }

  flush(s: ServerSession): void {
    const lines = s.down.slice(this.pos)
    if (!lines.length) return
    this.answer(`@${this.pos + 1} ${s.up.length}\n${lines.map((text) => `t${text}\n`).join('')}`)
    this.pos = s.down.length
  }

  private take(data: string | Uint8Array): void {
    const complain: Book = (complaint) => this.server.complaints.push(complaint)
    if (typeof data !== 'string') return complain('binary')
    const [head, ...lines] = data.slice(0, -1).split('\n')
    const [, first, ack] = /^@(\d+) (\d+)$/.exec(head!)!.map(Number)
    const controls = lines.filter((l) => l[0] === '!')
    const open = controls.find((l) => l.startsWith('!open '))
    if (open && !this.open(JSON.parse(open.slice(6)) as Record<string, unknown>, complain)) return
    const s = this.session
    if (!s) return complain('no open')
    if (ack! > s.down.length) complain(`ack ${ack} of ${s.down.length}`)
    s.acked = Math.max(s.acked, ack!)
    lines.filter((l) => /^[t+]|^!close /.test(l)).forEach((line, i) => this.line(s, first! + i, line, complain))
    for (const control of controls) this.control(s, control)
    if (open) {
      this.answer(`@${this.pos + 1} ${s.up.length}\n${opened(s, this.att)}`)
      if (s.socket === this) this.flush(s)
    } else if (this.alive) this.answer(`@${s.socket === this ? this.pos + 1 : s.acked + 1} ${s.up.length}\n`)
  }

  private open(open: Record<string, unknown>, complain: Book): boolean {
    const { key, run, att, u, recv } = open as { key: string; run?: string; att: number; u?: number; recv: number }
    let s = this.server.sessions.get(key)
    if (!s && run === undefined) {
      s = new ServerSession(`run${this.server.sessions.size}-${key.slice(0, 12)}`)
      this.server.sessions.set(key, s)
      this.server.onSession(s)
    }
    if (!s || (run !== undefined && run !== s.run)) {
      this.answer('@1 0\n!refused {"reason":"unknown"}\n')
      setTimeout(() => this.cut(), this.server.delay)
      return false
    }
    if (s.over) {
      this.answer(`@1 0\n!closed ${JSON.stringify({ ...s.over, recv: s.up.length, ack: s.acked })}\n`)
      return false
    }
    if (s.atts.has(att)) complain(`attachment ${att} again`)
    s.atts.add(att)
    this.session = s
    this.att = att
    this.pos = Math.max(recv, s.acked)
    if (u !== undefined && u > s.u) {
      s.u = u
      s.att = att
      s.socket = this
    } else complain(`selection ${u} again`)
    return true
  }

  /** A line of the up log. */
  private line(s: ServerSession, n: number, line: string, complain: Book): void {
    const text = line.slice(1)
    if (n <= s.up.length) {
      if (s.up[n - 1] !== text) complain(`number ${n} used for ${s.up[n - 1]} and ${text}`)
    } else if (n > s.up.length + 1) complain(`gap before ${n}`)
    else {
      s.up.push(text)
      if (line.startsWith('!close ')) {
        const { code, reason } = JSON.parse(line.slice(7)) as { code: number; reason: string }
        this.end(s, code, reason)
      } else this.server.onMessage(s, text)
    }
  }

  end(s: ServerSession, code: number, reason: string): void {
    s.over = { code, reason }
    s.socket?.answer(
      `@${s.down.length + 1} ${s.up.length}\n` +
        `!closed ${JSON.stringify({ ...s.over, recv: s.up.length, ack: s.acked })}\n`,
    )
  }

  private control(s: ServerSession, control: string): void {
    const [, name, json] = /^!(\S+) (.*)$/.exec(control)!
    const fields = JSON.parse(json!) as Record<string, number>
    if (name === 'ping')
      this.answer(`@${s.socket === this ? this.pos + 1 : s.acked + 1} ${s.up.length}\n!pong {"i":${fields['i']}}\n`)
    else if (name === 'rewind') {
      this.server.complaints.push('rewind')
      this.pos = Math.max(fields['recv']!, s.acked)
      this.flush(s)
    }
  }
}
