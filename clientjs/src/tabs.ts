// One session shared by all tabs of an origin.
//
//   const session = share('/holdfast', { name: 'chat' })
//   session.on('message', (message) => show(message.data)) // in every tab
//   await session.send('hello') // from any tab
//
// A Web Lock elects the tab that carries the session (leader.ts); the logs are in IndexedDB
// (journal.ts), where a message from any tab takes its number and from where every tab reads what
// comes. A BroadcastChannel only says that there is news. So it does not matter which tab is closed
// or killed, nor when: the next one goes on with the same session from the journal.

import {
  connect, type Data, type End, type Events, type Message, type Options, type Session, type State, type Transport,
} from './index.js'
import { Election } from './tabs/election.js'
import { fresh, Journal, type Meta } from './tabs/journal.js'
import { Leader, type View } from './tabs/leader.js'
import { measured, Reader, Writer } from './tabs/reader.js'
import { endpointOf } from './url.js'
import { bytesOf, randomName } from './wire/codec.js'
import { isEnd } from './wire/log.js'

/**
 * Options of `share`: those of `connect` without `store`, and a name. All tabs should give the
 * same.
 */
export interface ShareOptions extends Omit<Options, 'store'> {
  /** Tabs of an origin that give the same name and URL share a session. Default: `''`. */
  name?: string
}

/**
 * A session of all tabs. It is used as a `Session` is; what it sends takes its number from what all
 * tabs send.
 */
export interface SharedSession extends AsyncIterable<Message> {
  readonly state: State
  /** What carries the session at this moment, whichever tab does. */
  readonly transport: Transport | undefined
  /** The session's public name, once the server has told it. */
  readonly id: string | undefined
  /**
   * About how many bytes are held, of all tabs, because the server's application has not taken them
   * yet.
   */
  readonly buffered: number
  /** Whether this tab carries the session. Where tabs cannot share, every one carries its own. */
  readonly leads: boolean
  /**
   * Sends a message and resolves with its number once it is in the journal: from then on it is
   * delivered even if this tab is closed. Messages of one tab keep their order. Rejects as
   * `Session.send` throws, and if the journal cannot be written.
   */
  send(data: Data): Promise<number>
  /**
   * Resolves when the server's application has taken all that this tab has sent so far; rejects if
   * the session ends before that.
   */
  drained(): Promise<void>
  /**
   * Calls `listener` for every event of that type, and returns the function that stops it. `trace`
   * comes in the tab that leads.
   */
  on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): () => void
  /** Ends the session for all tabs, as `Session.close` does. */
  close(code?: number, reason?: string): void
  /**
   * This tab takes no more part. The session goes on in the others; without any, the next tab goes
   * on with it.
   */
  leave(): void
}

/**
 * Joins the session that the tabs of this origin share, or begins it. Every tab is given every
 * message, in order, from the moment it listens; nothing is taken from the server while no tab
 * does. Where the platform lacks Web Locks (they need https or localhost), BroadcastChannel or
 * IndexedDB, the tab has a session of its own.
 */
export function share(url: string | URL, options: ShareOptions = {}): SharedSession {
  return new Tab(url, options)
}

/** What a tab tells the others. */
interface Signal {
  what: 'up' | 'news' | 'room' | 'hello' | 'view' | 'failed' | 'ping' | 'pong'
  view?: View
  reason?: string
}

class Tab implements SharedSession {
  private readonly url: string
  private readonly options: Options
  private readonly id_ = randomName(12)
  private readonly path: string
  private readonly ready: Promise<void>
  private journal: Journal | undefined
  private channel: BroadcastChannel | undefined
  private readonly locks = globalThis.navigator?.locks as LockManager | undefined
  private readonly giveUp = new AbortController()
  private release: (() => void)[] = []
  private election: Election | undefined
  private leader: Leader | undefined
  /** The session of this tab alone. */
  private plain: Session | undefined

  private readonly listeners: { [K in keyof Events]?: Set<(event: Events[K]) => void> } = {}
  private iterators: (() => void)[] = []
  private waiters: { number: number; resolve: () => void; reject: (reason: Error) => void }[] = []
  private reader: Reader | undefined
  private writer: Writer | undefined
  /** Messages of the session of this tab alone. */
  private readonly inbox: Message[] = []
  private forwards = false
  private gen = 0
  private view: View | undefined
  private shownId: string | undefined
  private over: End | undefined
  private closing = false
  private left = false

  constructor(url: string | URL, { name = '', ...options }: ShareOptions) {
    this.url = 'http' + endpointOf(url)
    this.options = options
    this.path = `holdfast:${name}:${this.url}`
    this.ready = this.open().catch(() => this.useOwnSession())
  }

  private async open(): Promise<void> {
    const { locks, path } = this
    const { BroadcastChannel: Channel } = globalThis
    if (!locks || !Channel || !globalThis.indexedDB) throw Error('cannot share')
    const [journal] = await Promise.all([Journal.open(path), this.hold(`${path}:tab:${this.id_}`)])
    await journal.run((t) => {
      if (t.meta.over) {
        t.meta = { ...fresh(t.meta), downSize: 0 }
        t.down.clear()
      }
      this.gen = t.meta.gen
    })
    if (this.left) return
    this.journal = journal
    this.reader = new Reader(journal, this.id_, {
      came: () => this.deliver(),
      room: () => this.broadcast({ what: 'room' }),
      read: (meta) => this.judge(meta),
      dropped: () => this.lost(4203, 'slow tab'),
    })
    this.writer = new Writer(journal, this.options.buffer ?? 8 << 20, () => this.broadcast({ what: 'up' }))
    this.channel = new Channel(path)
    this.channel.onmessage = ({ data }) => this.handle(data as Signal)
    this.channel.postMessage({ what: 'hello' })
    this.election = new Election(locks, `${path}:leader`, {
      lead: () => this.lead(journal),
      follow: () => {
        this.leader?.stop()
        this.leader = undefined
      },
      ask: () => this.channel!.postMessage({ what: 'ping' }),
      resume: () => this.reader!.sync(),
    })
    this.listen()
  }

  /** Takes a lock until this tab leaves or is gone. */
  private hold(name: string): Promise<boolean> {
    return new Promise((resolve) => {
      const held = () => {
        resolve(true)
        return new Promise<void>((release) => this.release.push(release))
      }
      this.locks!.request(name, { signal: this.giveUp.signal }, held).catch(() => resolve(false))
    })
  }

  /** Tabs cannot share here. */
  private useOwnSession(): void {
    if (this.left) return
    const session = (this.plain = connect(this.url, this.options))
    for (const type of ['open', 'transport', 'drain', 'renew', 'trace', 'close'] as const)
      session.on(type, (event) => {
        if (type === 'close') this.over = event as End
        this.emit(type, event as never)
        this.wake()
      })
    this.listen()
  }

  private lead(journal: Journal): void {
    if (this.left) return
    this.leader = new Leader(
      this.url,
      this.options,
      journal,
      {
        news: () => this.broadcast({ what: 'news' }),
        show: (view) => this.broadcast({ what: 'view', view }),
        trace: (trace) => this.emit('trace', trace),
        fail: (error) => this.broadcast({ what: 'failed', reason: String(error) }),
      },
      async () => {
        const prefix = `${this.path}:tab:`
        const { held = [] } = await this.locks!.query()
        return new Set(held.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : [])))
      },
    )
    void this.leader.start()
  }

  /** Signals every tab, this one too. */
  private broadcast(signal: Signal): void {
    if (this.left) return
    this.channel!.postMessage(signal)
    this.handle(signal)
  }

  private handle(signal: Signal): void {
    if (this.left || this.election?.frozen) return
    if (signal.what === 'up') this.leader?.feed()
    else if (signal.what === 'room') void this.leader?.flow()
    else if (signal.what === 'hello') this.leader?.show()
    else if (signal.what === 'ping') this.leader && this.channel!.postMessage({ what: 'pong' })
    else if (signal.what === 'pong') this.election?.answered()
    else if (signal.what === 'news') this.reader!.sync()
    else if (signal.what === 'view') this.show(signal.view!)
    else this.lost(4202, signal.reason!)
  }

  /** This tab cannot go on, and knows no fates. */
  private lost(code: number, reason: string): void {
    this.end({ code, reason, remote: false, session: this.id ?? '', delivered: 0, notDelivered: [], unknown: [] })
  }

  /** As a session does: to those that are registered now. One of them may let this tab leave. */
  private emit<K extends keyof Events>(type: K, event: Events[K]): void {
    if (this.left) return
    for (const listener of [...(this.listeners[type] ?? [])]) void new Promise(() => listener(event))
  }

  private wake(): void {
    for (const woken of this.iterators.splice(0)) woken()
  }

  private show(view: View): void {
    const old = this.view
    // A later session shows first in the journal, which has the fates of this one.
    if (view.gen > this.gen) return this.reader!.sync()
    if (view.gen < this.gen || this.over) return
    this.view = view
    if (view.id !== this.shownId && view.id && view.state !== 'connecting') {
      this.shownId = view.id
      this.emit('open', { id: view.id })
    }
    if (view.transport !== old?.transport) this.emit('transport', { transport: view.transport })
    if (!view.held && old?.held) this.emit('drain', undefined)
    this.waiters = this.waiters.filter(({ number, resolve }) => number > view.ack || resolve())
  }

  /** Starts to take messages, if somebody wants them. */
  private listen(): void {
    if ((!this.listeners.message?.size && !this.iterators.length) || this.over || this.left) return
    this.reader?.join()
    if (this.plain && !this.forwards) {
      this.forwards = true
      this.plain.on('message', (message) => {
        this.inbox.push(message)
        this.deliver()
      })
    }
    this.deliver()
  }

  /** Sees in the journal how the session ended, and that another has begun. */
  private judge({ gen, renewed, over }: Meta): void {
    if (over) return this.end(over)
    if (gen === this.gen) return
    this.gen = gen
    this.view = undefined
    this.fail(renewed!)
    this.emit('renew', renewed!)
    this.channel!.postMessage({ what: 'hello' })
    this.leader?.show()
  }

  /** Nothing more will be taken of what was sent. */
  private fail({ code, reason }: End): void {
    for (const { reject } of this.waiters.splice(0)) reject(Error(`closed ${code} ${reason}`))
  }

  private end(end: End): void {
    if (this.over) return
    this.over = end
    this.fail(end)
    this.emit('close', end)
    this.wake()
    this.leave()
  }

  private deliver(): void {
    while (this.listeners.message?.size && !this.left) {
      const message = this.take()
      if (!message) return
      this.emit('message', message)
    }
    if (this.reader?.inbox[0] || this.inbox[0]) this.wake()
  }

  private take(): Message | undefined {
    return this.reader?.inbox[0] ? this.reader.take() : this.inbox.shift()
  }

  get state(): State {
    if (this.plain) return this.plain.state
    return this.over || this.left ? 'closed' : this.closing ? 'closing' : (this.view?.state ?? 'connecting')
  }
  get transport(): Transport | undefined {
    return this.plain ? this.plain.transport : this.over ? undefined : this.view?.transport
  }
  get id(): string | undefined {
    return this.plain ? this.plain.id : (this.view?.id ?? this.shownId)
  }
  get buffered(): number {
    return this.plain ? this.plain.buffered : (this.view?.held ?? 0)
  }
  get leads(): boolean {
    return !!this.plain || !!this.leader
  }

  async send(data: Data): Promise<number> {
    // Of bytes a copy: the caller may use them again before they are written.
    const own = typeof data === 'string' ? data : bytesOf(data).slice()
    const { lines, cost } = measured(own)
    if (this.over || this.left || this.closing) throw Error('closed')
    await this.ready
    if (this.plain) return this.plain.send(own)
    if (!this.writer) throw Error('closed')
    return this.writer.send(own, lines.length, cost)
  }

  async drained(): Promise<void> {
    await this.ready
    if (this.plain) return this.plain.drained()
    if (!this.journal || this.over || this.left) throw Error('closed')
    // After what this tab has sent: transactions keep their order.
    const { ack, last } = await this.journal.run(({ meta }) => meta)
    if (last > ack) return new Promise((resolve, reject) => this.waiters.push({ number: last, resolve, reject }))
  }

  on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): () => void {
    const set = (this.listeners[type] ??= new Set() as never) as Set<typeof listener>
    // Of its own: one function may be registered twice, and each is stopped by itself.
    const own: typeof listener = (event) => listener(event)
    set.add(own)
    if (type === 'message') queueMicrotask(() => this.listen())
    return () => void set.delete(own)
  }

  close(code = 4100, reason = ''): void {
    if (!(code < 4200) || !isEnd(code, reason)) throw RangeError('code or reason')
    this.closing = true
    const close = async () => {
      await this.ready
      if (this.plain) return this.plain.close(code, reason)
      await this.writer?.close(code, reason)
    }
    close().catch((error: unknown) => this.handle({ what: 'failed', reason: String(error) }))
  }

  leave(): void {
    if (this.left) return
    this.left = true
    this.leader?.stop()
    this.reader?.stop()
    // The locks go last: whoever leads next finds the session let go.
    const go = async () => {
      await this.ready
      await this.journal?.run((t) => void t.tabs.delete(this.id_)).catch(() => {})
      this.giveUp.abort()
      this.election?.stop()
      for (const release of this.release.splice(0)) release()
      this.channel?.close()
      this.journal?.close()
    }
    void go()
    this.wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    for (;;) {
      const message = this.take()
      if (message) yield message
      else if (this.over || this.left) return
      else
        await new Promise<void>((resolve) => {
          this.iterators.push(resolve)
          this.listen()
        })
    }
  }
}
