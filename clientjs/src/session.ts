// The session that applications hold: the machine, its carriers, timers and listeners.

import type { Wire } from './carriers/carrier.js'
import { post } from './carriers/post.js'
import { openSocket } from './carriers/socket.js'
import {
  authFailed, authorized, close, closed, due, finish, goodbye, newMachine, next, online, received, send, taken, tick,
  wake,
} from './machine/machine.js'
import { unconfirmed, type Conn, type Host, type Machine } from './machine/state.js'
import type { StoreHooks } from './store.js'
import { stored } from './stored.js'
import type { Events, Message, Options, Session, Transport } from './types.js'
import { endpointOf } from './url.js'
import { byteLength, preambleOf, prepare, randomName, wrap } from './wire/codec.js'
import { heldBytes, isEnd, lastNumber, type Received } from './wire/log.js'

/** Thrown by `auth` it ends the session, 4301: there are no credentials, and there will be none. */
export class AuthError extends Error {}

const known: readonly Transport[] = ['websocket', 'sse', 'longpoll']

/**
 * A copy of a JSON value, so that nothing of the application runs, or throws, where batches are
 * made. Throws for what JSON cannot hold, and for more than the server takes.
 */
function ownJson(value: unknown): unknown {
  if (value === undefined) return
  const text = JSON.stringify(value)
  if (!text || byteLength(text) > 8e3) throw TypeError('not JSON')
  return JSON.parse(text)
}

/**
 * Begins a session with the server at `url` (http, https, ws or wss; in a page it may be relative)
 * and returns at once: messages may be sent right away. Throws a TypeError for a URL or an option
 * that cannot be, and a RangeError for a number out of its bounds.
 */
export function connect(url: string | URL, options: Options = {}): Session {
  const {
    auth,
    meta,
    credentials = 'same-origin',
    buffer = 8 << 20,
    maxBatch = 65536,
    transports = known,
    renew = true,
    memory,
  } = options
  const store = stored ? (options.store as StoreHooks | undefined) : undefined
  const wire: Wire = {
    _url: endpointOf(url),
    _fetch: options.fetch ?? fetch,
    _WebSocket: options.WebSocket ?? globalThis.WebSocket,
    _credentials: credentials,
    _maxBatch: maxBatch,
  }

  // What can never work is refused here, before anything acts.
  const usable = transports.filter((name) => name !== 'websocket' || wire._WebSocket)
  if (!usable[0] || transports.some((name) => !known.includes(name))) throw TypeError('transports')
  if (!(buffer >= 0 && maxBatch > 2047 && maxBatch <= 1 << 20)) throw RangeError('bounds')
  const ownMeta = ownJson(meta)
  if (typeof auth !== 'function') ownJson(auth)

  let m: Machine
  /** The clock that is never set: what it lacks to the wall clock when m begins, and since then. */
  let base: number
  let lead: number
  const clock = () => Math.round(base + performance.now())
  /** Renewals in a row, none of which has lasted. */
  let renewals = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  /** A call of `collect` is queued. */
  let queued = false
  /** What listeners were given last. */
  let shownId: string | undefined
  let shownTransport: Transport | undefined
  let shownHeld = 0
  /** What came and was not taken yet, with the id of the session it came in. */
  const inbox: [string, Received][] = []
  const listeners: { [K in keyof Events]?: Set<(event: Events[K]) => void> } = {}
  /** Calls of `drained`, each with the number it waits for, and iterators that wait. */
  const drains: [number, () => void, (reason: Error) => void][] = []
  const idle: (() => void)[] = []

  // To those that are registered now: what they do to the set shows at the next event. A promise
  // runs its executor at once. What a listener throws becomes a rejection that nobody handles, which
  // the platform reports, and harms no other listener.
  const emit = <K extends keyof Events>(type: K, event: Events[K]): void =>
    [...(listeners[type] ?? [])].forEach((listener) => new Promise(() => listener(event)))

  /**
   * Keeps what is to be remembered, or gives what was. The store may be missing, be refused to the
   * page, be full, or hold anything.
   */
  const remembered = (text?: string): unknown => {
    const key = 'holdfast http' + wire._url.split('?')[0]
    try {
      const storage = (memory ?? (globalThis.document && localStorage)) as Storage
      return text ? storage.setItem(key, text) : JSON.parse(storage.getItem(key)!)
    } catch {
      return
    }
  }

  const isOnline = () => globalThis.navigator?.onLine !== false

  const start = (): void => {
    base = Date.now() - performance.now()
    lead = 0
    m = newMachine({
      _memory: remembered(),
      _key: randomName(32),
      _transports: usable,
      _maxBatch: maxBatch,
      _maxMessage: 16 << 20, // the most that a server may be set to
      _meta: ownMeta,
      _random: Math.random,
      _clock: clock,
    })
    online(m, isOnline(), false)
    store?._start(m, emit, dispatch)
  }

  const make = (conn: Conn) => {
    store?._keep(m)
    return next(m, conn)
  }

  /**
   * Lets the machine see something. What it wants done is done soon. Its time is not that of the
   * wall clock, which people, NTP and virtual machines set. But whatever set it may have stopped
   * everything else too, and where the other clock stands while the machine sleeps, nothing else
   * tells that it has slept (HF1-LIV-14).
   */
  const dispatch = (act?: () => void): void => {
    tick(m, () => {
      const ahead = Date.now() - clock()
      if (Math.abs(ahead - lead) > 5e3) wake(m)
      lead = ahead
      act?.()
    })
    schedule()
  }

  // A page that is shown again, and a network that comes or goes (HF1-LIV-14, HF1-LIV-15). Caught
  // at the window, where there is one; `persisted` is of pageshow alone, and false when a page has
  // just been loaded.
  const notice = ({ type, persisted }: PageTransitionEvent): void =>
    dispatch(() => {
      if (type !== 'pagehide') online(m, isOnline(), persisted !== false && !globalThis.document?.hidden)
      else if (!persisted && !store) {
        // It does not come back, and nothing that it leaves behind goes on with the session.
        const batch = goodbye(m)
        if (batch) navigator.sendBeacon('http' + wire._url, wrap(preambleOf('up'), batch))
      }
    })
  const watch = (how: 'addEventListener' | 'removeEventListener') => {
    for (const type of ['online', 'offline', 'visibilitychange', 'pageshow', 'pagehide'])
      globalThis[how]?.(type, notice as EventListener, true)
  }

  /** Collects once for many calls in a row, so that they share a batch, and never within itself. */
  const schedule = (): void => {
    if (!queued) queueMicrotask(collect)
    queued = true
  }

  const write = (conn: Conn): void => {
    const { _writable, _send } = conn._carrier!
    let batch
    while (_writable!() && (batch = make(conn))) _send!(batch)
    // The platform does not report when its buffer has room again.
    if (!_writable!()) due(m, m._now + 50)
  }

  const host: Host = {
    _dial(conn) {
      const take = (batch: string | Uint8Array) => dispatch(() => received(m, conn, batch))
      const over = (fault: string) => dispatch(() => closed(m, conn, fault))
      const ready = () => dispatch(() => write(conn))
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
      let given: unknown
      try {
        given = await (typeof auth === 'function' ? auth() : auth)
        const own = ownJson(given)
        dispatch(() => authorized(m, own))
      } catch (error) {
        // What JSON cannot hold would be given again.
        dispatch(() =>
          given || error instanceof AuthError ? finish(m, 4301, (error as Error).message) : authFailed(m),
        )
      }
    },
    _trace(trace) {
      if (trace.what === 'validated') renewals = 0
      emit('trace', trace)
    },
    _remember: remembered,
    _end() {
      const fates = m._closing._over!
      const kind = ~~(fates.code / 100)
      // A page that would go on with a session that is over wants another one.
      const again = renew && !m._closing._local && (kind === 42 || (kind === 41 && unconfirmed(m)))
      collectMessages()
      release()
      if (again) start()
      // Whoever answers a last message does so in the session that goes on.
      deliver()
      if (again) {
        // Not at once: a server that goes away has many clients.
        setTimeout(host._ask, Math.random() * Math.min(30e3, 500 * 2 ** renewals++))
      } else {
        watch('removeEventListener')
        store?._end?.()
      }
      emit(again ? 'renew' : 'close', fates)
    },
  }

  const collectMessages = (): void => {
    for (const item of m._log._queue.splice(0)) inbox.push([m._server.id!, item])
  }

  /**
   * Hands what has come to the listeners, if any. The peer's !close is taken after all before it.
   */
  const deliver = (): void => {
    collectMessages()
    while (inbox[0] && (inbox[0][1]._close || listeners.message?.size)) {
      const message = shift()
      if (message) emit('message', message)
    }
  }

  const shift = (): Message | undefined => {
    const [session, item] = inbox.shift()!
    const message = item._close ? undefined : { data: item._data, number: item._number, session }
    const done = () => session === m._server.id && dispatch(() => taken(m, item))
    store?._take ? store._take(message, done) : done()
    return message
  }

  const release = (): void => {
    const over = m._closing._over
    while (drains[0] && drains[0][0] <= m._log._base) drains.shift()![1]()
    if (over) for (const [, , reject] of drains.splice(0)) reject(Error(`closed ${over.code} ${over.reason}`))
  }

  const transportName = () => m._current?._transport._name

  /** Does what the machine wants done, and gives listeners what is new. */
  const collect = (): void => {
    queued = false
    for (const effect of m._effects.splice(0)) effect(host)
    deliver()
    if (m._effects[0]) schedule()
    release()
    for (const resolve of idle.splice(0)) resolve()
    if (m._server.id !== shownId && m._server.att) {
      shownId = m._server.id
      if (shownId) emit('open', { id: shownId })
    }
    if (transportName() !== shownTransport) {
      shownTransport = transportName()
      emit('transport', { transport: shownTransport })
    }
    const held = heldBytes(m._log)
    if (!held && shownHeld) emit('drain', undefined)
    shownHeld = held
    store?._keep(m)
    clearTimeout(timer)
    if (m._deadline) timer = setTimeout(dispatch, Math.min(m._deadline - clock(), 1e9))
  }

  start()
  watch('addEventListener')
  host._ask()

  return {
    get state() {
      const closing = m._closing
      if (closing._over) return 'closed'
      return closing._local || closing._peer ? 'closing' : m._current ? 'open' : 'connecting'
    },
    get transport() {
      return transportName()
    },
    get id() {
      return m._server.id
    },
    get buffered() {
      return heldBytes(m._log)
    },
    send(data) {
      if (m._closing._over || m._closing._local) throw Error('closed')
      const message = prepare(data)
      if (message._cost - 16 * message._entries.length > m._server.lim.maxMessage) throw RangeError('too large')
      if (heldBytes(m._log) + message._cost > buffer) throw RangeError('full')
      dispatch(() => send(m, message))
      shownHeld += message._cost
      return lastNumber(m._log)
    },
    drained: () =>
      new Promise((resolve, reject) => {
        drains.push([lastNumber(m._log), resolve, reject])
        schedule()
      }),
    on(type, listener) {
      const set = (listeners[type] ??= new Set() as never) as Set<typeof listener>
      // Of its own: one function may be registered twice, and each is stopped by itself.
      const own: typeof listener = (event) => listener(event)
      set.add(own)
      schedule()
      return () => void set.delete(own)
    },
    close(code = 4100, reason = '') {
      if (code > 4199 || !isEnd(code, reason)) throw RangeError('code or reason')
      dispatch(() => close(m, code, reason))
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const message = inbox[0] && shift()
        if (message) yield message
        else if (m._closing._over) return
        else await new Promise<void>((resolve) => idle.push(resolve))
      }
    },
  }
}
