// The session that applications hold: the machine, its carriers, timers and listeners.

import { openSocket, post, type Carrier, type Sink, type Wire } from './carriers.js'
import { encodeMessage, randomName } from './codec.js'
import { heldBytes, lastNumber, type Received } from './log.js'
import { abandon, authorized, closed, drain, end, received, send, start, taken, tick } from './machine.js'
import { next } from './send.js'
import { maxBatchBound, newMachine, type Action, type Machine, type Transport } from './state.js'
import type { End, Events, Message, Options, Session } from './types.js'

/** The largest message to take: the most that a server may be set to. */
const maxMessage = 16 << 20

/** What the log of an ended session tells of its messages (HF1-CLO-05). */
function fates({ _id, _out, _over }: Machine): End {
  const { _code, _reason, _remote, _recv } = _over!
  const rest: number[] = []
  let number = _out._base
  for (const entry of _out._entries) if (++number && entry._cost && !entry._more) rest.push(number)
  const final = _recv !== undefined
  return {
    code: _code,
    reason: _reason,
    remote: _remote,
    session: _id,
    delivered: _out._base,
    notDelivered: final ? rest : [],
    unknown: final ? [] : rest,
  }
}

/**
 * Begins a session with the server at `url` (http, https, ws or wss; in a page it may be relative) and returns at once:
 * messages may be sent right away.
 */
export function connect(url: string, options: Options = {}): Session {
  const { auth, meta, credentials = 'same-origin', buffer = 8 << 20, maxBatch = 65536, renew = true } = options
  const endpoint = new URL(url, globalThis.location?.href)
  endpoint.hash = ''
  const wire: Wire = {
    _url: endpoint.href.replace(/^ws/, 'http'),
    _fetch: options.fetch ?? ((...request) => fetch(...request)),
    _WebSocket: options.WebSocket ?? globalThis.WebSocket,
    _credentials: credentials,
    _maxBatch: maxBatch,
  }
  const transports = (options.transports ?? ['websocket', 'sse', 'longpoll']).filter(
    (name) => name !== 'websocket' || wire._WebSocket,
  )

  let m: Machine
  /** Renewals in a row, none of which has lasted. */
  let renewals = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let settling = false
  let queued = false
  /** A WebSocket's buffer was full; the platform does not tell when it no longer is. */
  let blocked = false
  /** Something was sent that a drain event has not been given for. */
  let undrained = false
  let opened = false
  let shown: Transport | undefined
  let trouble = ''
  const carriers = new Map<number, Carrier>()
  const inbox: [Machine, Received][] = []
  const listeners: { [K in keyof Events]?: Set<(event: Events[K]) => void> } = {}
  let iterators: (() => void)[] = []
  let waiters: [number, () => void, (reason: Error) => void][] = []

  const emit = <K extends keyof Events>(type: K, event: Events[K]): void => {
    for (const listener of [...(listeners[type] ?? [])])
      try {
        listener(event)
      } catch (error) {
        // As from an event listener of the platform: it is reported and harms nobody else.
        setTimeout(() => {
          throw error
        })
      }
  }

  const begin = (): void => {
    m = newMachine({
      _key: randomName(32),
      _transports: transports,
      _maxBatch: maxBatch,
      _maxMessage: maxMessage,
      _win: maxBatchBound,
      _auth: undefined,
      _meta: meta,
      _random: Math.random,
    })
    m._waitAuth = true
    opened = undrained = false
  }

  const ask = async (): Promise<void> => {
    const owner = m
    try {
      authorized(owner, await (typeof auth === 'function' ? auth() : auth), Date.now())
    } catch (error) {
      abandon(owner, 4301, String(error), Date.now())
    }
    settle()
  }

  const launch = (): void => {
    start(m, Date.now())
    void ask()
  }

  const write = (conn: number): void => {
    const carrier = carriers.get(conn)
    let batch
    while (carrier?._writable() && (batch = next(m, conn, Date.now()))) carrier._send(batch)
    blocked ||= !!carrier && !carrier._writable()
    tick(m, Date.now()) // what was written has deadlines
  }

  const act = (action: Action): void => {
    switch (action._do) {
      case 'dial': {
        const conn = action._conn
        const owner = m
        const sink: Sink = {
          _ready() {
            write(conn)
            settle()
          },
          _batch(batch) {
            received(owner, conn, batch, Date.now())
            settle()
          },
          _closed(fault) {
            carriers.delete(conn)
            closed(owner, conn, fault, Date.now())
            settle()
          },
        }
        try {
          if (action._kind === 'socket') carriers.set(conn, openSocket(wire, sink))
          else {
            const batch = next(m, conn, Date.now())
            if (batch) carriers.set(conn, post(wire, action._kind, batch, sink))
            tick(m, Date.now())
          }
        } catch (error) {
          closed(m, conn, String(error), Date.now())
        }
        break
      }
      case 'write':
        write(action._conn)
        break
      case 'hangup':
        carriers.get(action._conn)?._close(action._code)
        carriers.delete(action._conn)
        break
      case 'auth':
        void ask()
        break
      case 'trace': {
        const { _what, _transport, _att, _reason } = action
        if (_what === 'proven') renewals = 0
        if (_reason) trouble = `${_transport}: ${_reason}`
        emit('trace', { what: _what, transport: _transport, attachment: _att, reason: _reason, time: Date.now() })
        break
      }
      case 'over':
        over()
    }
  }

  const over = (): void => {
    deliver()
    const fate = fates(m)
    const failed = waiters
    waiters = []
    const again = renew && !m._out._closing && fate.code >= 4200 && fate.code < 4300
    if (again) {
      begin()
      if (renewals) setTimeout(launch, Math.random() * Math.min(30e3, 500 * 2 ** renewals))
      else launch()
      renewals++
    } else for (const type of wakes) globalThis.removeEventListener?.(type, wake)
    for (const [, , reject] of failed) reject(Error(`session over: ${fate.code} ${fate.reason}`))
    emit(again ? 'renew' : 'close', fate)
  }

  /** Hands what has come to the listeners, if there are any. The peer's !close is taken once all before it is. */
  const deliver = (): void => {
    for (const item of m._in._queue.splice(0)) inbox.push([m, item])
    while (inbox[0] && (inbox[0][1]._close || listeners.message?.size)) {
      const message = shift()
      if (message) emit('message', message)
    }
  }

  const shift = (): Message | undefined => {
    const [owner, item] = inbox.shift()!
    taken(owner, item, Date.now())
    soon()
    return item._close ? undefined : { data: item._data, number: item._number, session: owner._id }
  }

  /** Does what the machine asks, until it asks no more. */
  const settle = (): void => {
    if (settling) return
    settling = true
    blocked = false
    do {
      for (const action of drain(m)) act(action)
      deliver()
    } while (m._actions.length)
    const { _base } = m._out
    waiters = waiters.filter(([number, resolve]) => number > _base || resolve())
    if (m._run && !opened) {
      opened = true
      emit('open', { id: m._id })
    }
    if (m._cur?._way._name !== shown) {
      shown = m._cur?._way._name
      emit('transport', { transport: shown, reason: trouble })
    }
    if (undrained && _base === lastNumber(m._out)) {
      undrained = false
      emit('drain', undefined)
    }
    if (inbox.length || m._over) for (const woken of iterators.splice(0)) woken()
    settling = false
    clearTimeout(timer)
    const at = Math.min(m._deadline || Infinity, blocked ? Date.now() + 50 : Infinity)
    if (at < Infinity) timer = setTimeout(wake, at - Date.now())
  }

  /** Settles once for many calls in a row, so that they share a batch. */
  const soon = (): void => {
    if (!queued)
      queueMicrotask(() => {
        queued = false
        settle()
      })
    queued = true
  }

  const wake = (): void => {
    tick(m, Date.now())
    settle()
  }

  // HF1-LIV-07: timers sleep with the page, so its waking is an occasion to look at the clock.
  const wakes = ['online', 'pageshow', 'visibilitychange']
  for (const type of wakes) globalThis.addEventListener?.(type, wake)
  begin()
  launch()

  return {
    get state() {
      return m._over ? 'closed' : m._out._closing || m._peerClosed ? 'closing' : m._cur ? 'open' : 'connecting'
    },
    get transport() {
      return m._cur?._way._name
    },
    get id() {
      return m._id || undefined
    },
    get buffered() {
      return heldBytes(m._out)
    },
    send(data) {
      if (m._over || m._out._closing) throw Error('session is closing')
      const entries = encodeMessage(data)
      const cost = entries.reduce((sum, entry) => sum + entry._cost, 0)
      if (cost - 16 * entries.length > m._maxMessage) throw RangeError('message is too large')
      if (heldBytes(m._out) + cost > buffer) throw RangeError('buffer is full')
      undrained = true
      const number = send(m, entries, Date.now())
      soon()
      return number
    },
    drained: () =>
      new Promise((resolve, reject) => {
        waiters.push([lastNumber(m._out), resolve, reject])
        soon()
      }),
    on(type, listener) {
      const set = (listeners[type] ??= new Set() as never) as Set<typeof listener>
      set.add(listener)
      soon()
      return () => {
        set.delete(listener)
      }
    },
    close(code = 4100, reason = '') {
      if (!(code >= 4100 && code < 4200)) throw RangeError('code must be 4100 to 4199')
      end(m, code, reason, Date.now())
      settle()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const message = inbox.length ? shift() : undefined
        if (message) yield message
        else if (m._over) return
        else await new Promise<void>((resolve) => iterators.push(resolve))
      }
    },
  }
}
