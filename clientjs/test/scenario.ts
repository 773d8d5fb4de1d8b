// Runs a script of session/testdata/scenarios, whose README says what the lines are, and writes it
// again with the outputs that it sees.
import {
  authorized,
  close,
  closed,
  newMachine,
  next,
  online,
  received,
  send,
  taken,
  tick,
  wake,
} from '../src/machine/machine.js'
import type { Conn, Host, Machine } from '../src/machine/state.js'
import type { Transport } from '../src/types.js'
import { prepare } from '../src/wire/codec.js'
import { heldBytes, lastNumber } from '../src/wire/log.js'

const epoch = Date.UTC(2030, 0, 1)
const key = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'

/** Cuts what is too long to read. */
function short(text: string): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= 200) return text
  let cut = 60
  while ((bytes[cut]! & 0xc0) === 0x80) cut--
  return `${bytes.subarray(0, cut)}…(${bytes.length} bytes)`
}

export class Scenario {
  private out: string[] = []
  private names: [string, string][] = []
  private config: Record<string, string> = {}
  private machine: Machine | undefined
  private now = 0
  private conns: Conn[] = []

  private get m(): Machine {
    return (this.machine ??= this.create())
  }

  private create(): Machine {
    const { transports = 'websocket,sse,longpoll', maxBatch = 65536, maxMessage = 1 << 20, win = 1 << 21 } = this.config
    const { auth = 'null', meta = 'null', memory = 'null' } = this.config
    const m = newMachine({
      _key: key,
      _transports: (transports as string).split(',') as Transport[],
      _maxBatch: +maxBatch,
      _maxMessage: +maxMessage,
      _meta: JSON.parse(meta) ?? undefined,
      _memory: JSON.parse(memory),
      _random: () => 0.5,
      _clock: () => epoch + this.now,
    })
    m._server = { ...m._server, win: +win }
    m._config._auth = JSON.parse(auth) ?? undefined
    m._refusals._waitAuth = false
    return m
  }

  /** The script as it came out. */
  run(script: string): string {
    const lines = script.split('\n')
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i]!
      if (line.startsWith('  ')) continue
      this.out.push(line)
      const [, first, rest] = /^(\S*) ?(.*)$/.exec(line)!
      if (first === 'let') {
        const [, name, text] = /^(\S+) (.*)$/.exec(rest!)!
        this.names.push(['$' + name, text!])
      } else if (first === 'config') {
        for (const setting of rest!.split(' ')) {
          const at = setting.indexOf('=')
          this.config[setting.slice(0, at)] = setting.slice(at + 1)
        }
      } else if (/^\d/.test(first!)) {
        let batch = ''
        while (lines[i + 1]?.startsWith('< ')) {
          this.out.push(lines[++i]!)
          batch += lines[i]!.slice(2) + '\n'
        }
        this.input(+first!, this.replaced(rest!), this.replaced(batch))
      }
    }
    return this.out.join('\n')
  }

  private replaced(text: string): string {
    for (const [name, value] of this.names) text = text.replaceAll(name, () => value)
    return text
  }

  private write(line: string): void {
    this.out.push('  ' + line)
  }

  /** Lets the deadlines up to `time` pass. */
  private advance(time: number): void {
    for (let ticks = 0; this.m._deadline; ticks++) {
      if (ticks > 10_000) throw Error('the machine ticks for ever')
      const deadline = this.m._deadline - epoch
      const at = deadline > this.now ? deadline : this.now + 1
      if (at > time) break
      this.now = at
      tick(this.m)
      const before = this.out.length
      this.act()
      if (this.out.length > before) this.out.splice(before, 0, `  at ${+at.toFixed(3)}`)
    }
    this.now = Math.max(this.now, time)
  }

  private input(time: number, rest: string, batch: string): void {
    const [, verb, args] = /^(\S+) ?(.*)$/.exec(rest)!
    if (verb !== 'asleep') this.advance(time)
    this.now = time
    this.perform(verb!, args!, batch)
    this.act()
  }

  private perform(verb: string, args: string, batch: string): void {
    const { m } = this
    const [, word, more] = /^(\S*) ?(.*)$/.exec(args)!
    const conn = this.conns[+word!]!
    switch (verb) {
      case 'start':
        return tick(m, () => {
          m._race._at = m._now
        })
      case 'send': {
        const [, payload, times = 1] = /^(.*?)(?: \*(\d+))?$/.exec(more!)!
        const data =
          word === 'text'
            ? (JSON.parse(payload!) as string).repeat(+times)
            : Buffer.concat(Array.from({ length: +times }, () => Buffer.from(payload!, 'base64')))
        tick(m, () => send(m, prepare(data)))
        return this.write(`sent ${lastNumber(m._log)}`)
      }
      case 'batch':
        return tick(m, () => received(m, conn, batch))
      case 'binary': {
        const [, head, body] = /^(".*") (\S*)$/.exec(more!)!
        const bytes = Buffer.concat([Buffer.from(JSON.parse(head!) + '\n'), Buffer.from(body!, 'base64')])
        return tick(m, () => received(m, conn, Uint8Array.from(bytes)))
      }
      case 'closed':
        return tick(m, () => closed(m, conn, ''))
      case 'failed':
        return tick(m, () => closed(m, conn, more!))
      case 'auth':
        return tick(m, () => authorized(m, JSON.parse(args)))
      case 'take':
        for (let item; (item = m._log._queue.shift());) {
          const { _close, _data, _number } = item
          if (_close) this.write(`take close ${_close.code} ${JSON.stringify(_close.reason)}`)
          else if (typeof _data === 'string') this.write(`take ${_number} text ${short(JSON.stringify(_data))}`)
          else this.write(`take ${_number} binary ${short(Buffer.from(_data).toString('base64'))}`)
          const message = item
          tick(m, () => taken(m, message))
        }
        return
      case 'close':
        return tick(m, () => close(m, +word!, JSON.parse(more!)))
      case 'wake':
        return tick(m, () => wake(m))
      case 'online':
      case 'offline':
        return tick(m, () => online(m, verb === 'online', true))
      case 'asleep':
        return tick(m)
      case 'end':
        return
      default:
        throw Error(`no such input: ${verb}`)
    }
  }

  /** Writes down one batch of a carrier. */
  private next(conn: Conn): boolean {
    const batch = next(this.m, conn)
    const id = this.conns.indexOf(conn)
    if (typeof batch === 'string') {
      for (const line of batch.slice(0, -1).split('\n')) this.write(`${id}> ${short(line)}`)
    } else if (batch) {
      const bytes = Buffer.from(batch)
      const lf = bytes.indexOf(10)
      this.write(`${id}> binary "${bytes.subarray(0, lf)}" ${short(bytes.subarray(lf + 1).toString('base64'))}`)
    }
    return !!batch
  }

  private act(): void {
    const names = { socket: 'websocket', stream: 'sse' } as Record<string, Transport>
    const host: Host = {
      _dial: (conn) => {
        this.conns[Math.max(this.conns.length, 1)] = conn
        this.write(
          `dial ${this.conns.indexOf(conn)} ${conn._kind} ${conn._attachment._transport._name ?? names[conn._kind]}`,
        )
        this.next(conn)
      },
      _write: (conn) => {
        while (this.next(conn));
      },
      _hangup: (conn, code) => this.write(`hangup ${this.conns.indexOf(conn)} ${code}`),
      _ask: () => this.write('auth'),
      _trace: ({ what, transport, attachment, reason }) =>
        this.write(`; ${what} ${transport}/${attachment} ${reason}`.trimEnd()),
      _remember: (memory) => this.config['memory'] && this.write(`remember ${memory}`),
      _end: () => this.over(),
    }
    for (const effect of this.m._effects.splice(0)) effect(host)
  }

  private over(): void {
    const { code, reason, remote, delivered, unknown, notDelivered } = this.m._closing._over!
    const last = Math.max(delivered, ...unknown, ...notDelivered)
    const sent = this.m._closing._local && !heldBytes(this.m._log) ? Math.min(last, lastNumber(this.m._log) - 1) : last
    const fate = unknown.length ? 'unknown' : 'exact'
    this.write(
      `over ${code} ${JSON.stringify(reason)} ${remote ? 'remote' : 'local'} ` +
        `delivered=${Math.min(delivered, sent)} of=${sent} ${fate}`,
    )
  }
}
