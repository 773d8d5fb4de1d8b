// The session that applications hold: the machine, its carriers, timers and listeners.

import { openSocket, post, type Wire } from './carriers.js'
import { encodeMessage, randomName } from './codec.js'
import { heldBytes, isEnd, lastNumber, type Received } from './log.js'
import { authorized, closed, end, input, received, send, taken } from './machine.js'
import { finish } from './paths.js'
import { next } from './send.js'
import { due, newMachine, unheard, type Conn, type Host, type Machine } from './state.js'
import { wake } from './wake.js'
import { stored } from './stored.js'
import type { Events, Message, Options, Session, Transport } from './types.js'

/**
 * Begins a session with the server at `url` (http, https, ws or wss; in a page it may be relative) and returns at once:
 * messages may be sent right away.
 */
export function connect(url: string, options: Options = {}): Session {
  const { auth, meta, credentials = 'same-origin', buffer = 8 << 20, maxBatch = 65536, renew = true, memory } = options
  const store = stored ? options.store : undefined
  const wire: Wire = {
    _url: new URL(url, globalThis.location?.href).href.replace(/^(ws|http)/, ''),
    _fetch: options.fetch ?? fetch,
    _WebSocket: options.WebSocket ?? globalThis.WebSocket,
    _credentials: credentials,
    _takesBatch: maxBatch,
  }

  let m: Machine
  /** Renewals in a row, none of which has lasted. */
  let renewals = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  /** A call of `settle` is queued. */
  let queued = false
  /** What listeners were last told. */
  let shownId: string | undefined
  let shownTransport: Transport | undefined
  let shownHeld = 0
  /** What came and was not taken yet, with the id of the session it came in. */
  const inbox: [string, Received][] = []
  const listeners: { [K in keyof Events]?: Set<(event: Events[K]) => void> } = {}
  /** Calls of `drained`, each with the number it waits for, and iterators that wait. */
  const drains: [number, () => void, (reason: Error) => void][] = []
  const idle: (() => void)[] = []

  // A promise runs its executor at once. What a listener throws becomes a rejection that nobody handles, which the platform
  // reports, and harms no other listener.
  const emit = <K extends keyof Events>(type: K, event: Events[K]): void =>
    listeners[type]?.forEach((listener) => new Promise(() => listener(event)))

  /** Keeps what is to be remembered, or gives what was. The store may be missing, be refused to the page, be full, or hold anything. */
  const remembered = (text?: string): unknown => {
    const key = 'holdfast http' + wire._url.split('?')[0]
    try {
      const shelf = (memory ?? (globalThis.document && localStorage)) as Storage
      return text ? shelf.setItem(key, text) : JSON.parse(shelf.getItem(key)!)
    } catch {
      return
    }
  }

  const offline = () => globalThis.navigator?.onLine === false

  const begin = (): void => {
    m = newMachine({
      _memory: remembered(),
      _key: randomName(32),
      _transports: (options.transports ?? ['websocket', 'sse', 'longpoll']).filter(
        (name) => name !== 'websocket' || wire._WebSocket,
      ),
      _takesBatch: maxBatch,
      _takesMessage: 16 << 20, // the most that a server may be set to
      _meta: meta,
      _random: Math.random,
      _clock: Date.now,
    })
    m._offline = offline()
    store?._begin(m, emit, happen)
  }

  const make = (conn: Conn) => {
    store?._keep(m)
    return next(m, conn)
  }

  /** Lets the machine see something. What it asks for is done soon. */
  const happen = (act?: () => void): void => {
    input(m, act)
    soon()
  }

  // A page that is shown again, and a network that comes or goes (HF1-LIV-14, HF1-LIV-15). Caught at the window, where there is
  // one; `persisted` is of pageshow alone, and false when a page has just been loaded.
  const notice = ({ persisted }: { persisted?: boolean }): void =>
    happen(() => {
      m._offline = offline()
      if (!m._offline && persisted !== false && !globalThis.document?.hidden) wake(m)
    })
  const watch = (how: 'addEventListener' | 'removeEventListener') => {
    for (const type of ['online', 'offline', 'visibilitychange', 'pageshow'])
      globalThis[how]?.(type, notice as EventListener, true)
  }

  /** Settles once for many calls in a row, so that they share a batch, and never within itself. */
  const soon = (): void => {
    if (!queued) queueMicrotask(settle)
    queued = true
  }

  const write = (conn: Conn): void => {
    const { _writable, _send } = conn._carrier!
    let batch
    while (_writable!() && (batch = make(conn))) _send!(batch)
    // The platform does not tell when its buffer has room again.
    if (!_writable!()) due(m, m._now + 50)
  }

  const host: Host = {
    _dial(conn) {
      const take = (batch: string | Uint8Array) => happen(() => received(m, conn, batch))
      const over = (fault: string) => happen(() => closed(m, conn, fault))
      const ready = () => happen(() => write(conn))
      try {
        if (conn._kind === 'socket') conn._carrier = openSocket(wire, ready, take, over)
        else {
          const batch = make(conn)
          if (batch) conn._carrier = post(wire, conn._kind, batch as string, take, over)
        }
      } catch (error) {
        over(String(error))
      }
    },
    _write: write,
    _hangup: (conn, code) => conn._carrier?._close(code),
    async _ask() {
      try {
        const given = await (typeof auth === 'function' ? auth() : auth)
        happen(() => authorized(m, given))
      } catch (error) {
        happen(() => finish(m, 4301, String(error)))
      }
    },
    _trace(trace) {
      if (trace.what === 'proven') renewals = 0
      emit('trace', trace)
    },
    _remember: remembered,
    _end() {
      const fates = m._over!
      const kind = ~~(fates.code / 100)
      // A page that would go on with a session that is over wants another one.
      const again = renew && !m._closing && (kind === 42 || (kind === 41 && unheard(m)))
      deliver()
      release()
      if (again) {
        begin()
        // Not at once: a server that goes away has many clients.
        setTimeout(host._ask, Math.random() * Math.min(30e3, 500 * 2 ** renewals++))
      } else watch('removeEventListener')
      emit(again ? 'renew' : 'close', fates)
    },
  }

  /** Hands what has come to the listeners, if there are any. The peer's !close is taken once all before it is. */
  const deliver = (): void => {
    for (const item of m._queue.splice(0)) inbox.push([m._server.id!, item])
    while (inbox[0] && (inbox[0][1]._close || listeners.message?.size)) {
      const message = shift()
      if (message) emit('message', message)
    }
  }

  const shift = (): Message | undefined => {
    const [session, item] = inbox.shift()!
    const message = item._close ? undefined : { data: item._data, number: item._number, session }
    const done = () => session === m._server.id && happen(() => taken(m, item))
    store?._take ? store._take(message, done) : done()
    return message
  }

  const release = (): void => {
    while (drains[0] && drains[0][0] <= m._base) drains.shift()![1]()
    if (m._over) for (const [, , reject] of drains.splice(0)) reject(Error(`closed ${m._over.code} ${m._over.reason}`))
  }

  /** Does what the machine asks, and tells listeners what is new. */
  const settle = (): void => {
    queued = false
    for (const action of m._actions.splice(0)) action(host)
    deliver()
    if (m._actions[0]) soon()
    release()
    for (const look of idle.splice(0)) look()
    if (m._server.id !== shownId && m._server.att) {
      shownId = m._server.id
      if (shownId) emit('open', { id: shownId })
    }
    if (m._cur?._way._name !== shownTransport) {
      shownTransport = m._cur?._way._name
      emit('transport', { transport: shownTransport })
    }
    const held = heldBytes(m)
    if (!held && shownHeld) emit('drain', undefined)
    shownHeld = held
    store?._keep(m)
    clearTimeout(timer)
    if (m._deadline) timer = setTimeout(happen, Math.min(m._deadline - Date.now(), 1e9))
  }

  begin()
  watch('addEventListener')
  host._ask()

  return {
    get state() {
      return m._over ? 'closed' : m._closing || m._peerClosed ? 'closing' : m._cur ? 'open' : 'connecting'
    },
    get transport() {
      return m._cur?._way._name
    },
    get id() {
      return m._server.id
    },
    get buffered() {
      return heldBytes(m)
    },
    send(data) {
      if (m._over || m._closing) throw Error('closed')
      const entries = encodeMessage(data)
      const cost = entries.reduce((sum, entry) => sum + entry._cost, 0)
      if (cost - 16 * entries.length > m._server.lim.maxMessage) throw RangeError('too large')
      if (heldBytes(m) + cost > buffer) throw RangeError('full')
      happen(() => send(m, entries))
      shownHeld += cost
      return lastNumber(m)
    },
    drained: () =>
      new Promise((resolve, reject) => {
        drains.push([lastNumber(m), resolve, reject])
        soon()
      }),
    on(type, listener) {
      const set = (listeners[type] ??= new Set() as never) as Set<typeof listener>
      set.add(listener)
      soon()
      return () => void set.delete(listener)
    },
    close(code = 4100, reason = '') {
      if (code > 4199 || !isEnd(code, reason)) throw RangeError('code or reason')
      happen(() => end(m, code, reason))
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const message = inbox[0] && shift()
        if (message) yield message
        else if (m._over) return
        else await new Promise<void>((look) => idle.push(look))
      }
    },
  }
}
