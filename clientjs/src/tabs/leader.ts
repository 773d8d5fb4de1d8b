// The tab that carries the session of all. It takes messages up out of the journal, in its order,
// and writes those down into it before they are acknowledged. Whenever it is killed, the next one
// finds the session as the server knows it.

import { connect, type End, type Message, type Options, type Session, type Trace, type Transport } from '../index.js'
import { finish } from '../machine/closing.js'
import { unconfirmed, type Machine } from '../machine/state.js'
import { restore, unanswered, type StoreHooks } from '../store.js'
import {
  after,
  dropTaken,
  fresh,
  requested,
  upTo,
  type Down,
  type Journal,
  type Meta,
  type Transaction,
  type Up,
} from './journal.js'
import { measured } from './reader.js'

/** What the leader shows to the other tabs. */
export interface View {
  gen: number
  state: Session['state']
  transport: Transport | undefined
  id: string | undefined
  /** The server's application has taken our lines up to this one. */
  ack: number
  /** Bytes of messages that it has not taken. */
  held: number
}

/** What the leader needs of the tab it is in. */
export interface LeaderHost {
  /** The journal has news for every tab: messages down, or another session. */
  news(): void
  show(view: View): void
  trace(trace: Trace): void
  /** It cannot go on: the journal fails. */
  fail(error: unknown): void
}

/** Bytes of messages down that are kept for tabs that lag; then the server has to wait. */
const backlog = 4 << 20
/** How long it waits for them before they are left behind. */
const lagTimeout = 30e3
/** Selections and attachments of a tab that leads. */
const termSize = 2 ** 24

/** No tab listens, or those that do lag behind. */
const full = 'full'

export class Leader {
  private readonly url: string
  private readonly options: Options
  private readonly journal: Journal
  private readonly host: LeaderHost
  /** Ids of the tabs that live. */
  private readonly liveTabs: () => Promise<Set<string>>
  private meta!: Meta
  private session: Session | undefined
  private machine: Machine | undefined
  private dispatch: ((act?: () => void) => void) | undefined
  private stopped = false
  /** The number of the last message that the session was given. */
  private fed = 0
  private feeding = false
  private feedAgain = false
  /** What the application takes, with what acknowledges it. */
  private takes: [Message | undefined, () => void][] = []
  private writing: Promise<void> | undefined
  private changed = false
  /** Since when there is no room, by the clock that is never set. */
  private fullSince = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private stopListening: (() => void) | undefined
  /** Sessions in a row that have not lasted. */
  private renewals = 0

  constructor(url: string, options: Options, journal: Journal, host: LeaderHost, liveTabs: () => Promise<Set<string>>) {
    this.url = url
    this.options = options
    this.journal = journal
    this.host = host
    this.liveTabs = liveTabs
  }

  async start(): Promise<void> {
    try {
      const liveTabs = await this.liveTabs()
      const rows = await this.journal.run(async (t) => {
        t.meta.term++
        // What it was waiting to lead is over, or never got anywhere: nobody needs to know.
        if (!t.meta.over && !t.meta.last && unanswered({ ...t.meta, since: t.meta.since || Date.now() }))
          t.meta = { ...fresh(t.meta), gen: t.meta.gen }
        t.meta.since ||= Date.now()
        this.meta = t.meta
        for (const id of await requested(t.tabs.getAllKeys())) if (!liveTabs.has(id as string)) t.tabs.delete(id)
        return requested(t.up.getAll()) as Promise<Up[]>
      })
      if (this.stopped) return
      if (this.meta.over) this.host.news()
      else this.startSession(rows)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Starts the session, or goes on with it: every message in the journal may have been sent. */
  private startSession(rows: Up[]): void {
    const { meta } = this
    const lines = rows.flatMap(({ data }) => (data === undefined ? [] : measured(data).lines))
    const head = { ...meta, att: meta.term * termSize, u: meta.term * termSize, last: meta.ack + lines.length }
    const store: StoreHooks = {
      name: 'tabs',
      _start: (m, _, dispatch) => {
        this.machine = m
        this.dispatch = dispatch
        restore(m, head, (n) => lines[n - meta.ack - 1]!)
      },
      _keep: (m) => this.observe(m),
      _take: (message, done) => {
        this.takes.push([message, done])
        this.write()
      },
    }
    this.stopListening = undefined
    this.fed = head.last
    const next = connect(this.url, { ...this.options, renew: false, buffer: Infinity, store })
    this.session = next
    next.on('transport', () => this.show())
    next.on('open', () => this.show())
    next.on('trace', (trace) => {
      if (trace.what === 'validated') this.renewals = 0
      this.host.trace(trace)
    })
    next.on('close', (end) => void this.ended(end))
    this.show()
    this.feed()
    void this.flow()
  }

  /** What the other tabs see. */
  show(): void {
    const { session, meta } = this
    if (!session || this.stopped) return
    const { state, transport, id } = session
    this.host.show({
      gen: meta.gen,
      state: state === 'closed' ? 'connecting' : state,
      transport,
      id,
      ack: meta.ack,
      held: meta.upSize,
    })
  }

  /** Sees what the machine has learned; it is called before anything is sent. */
  private observe(m: Machine): void {
    const { meta } = this
    if (m._closing._over) return
    if (m._server.run === meta.run && m._log._base === meta.ack && m._server.lim.maxMessage === meta.largest) return
    if (unconfirmed(m)) return
    this.changed = true
    this.write()
  }

  /** Gives the session what the journal has for it. */
  feed(): void {
    this.feedAgain = true
    if (this.feeding || !this.session || this.stopped) return
    this.feeding = true
    const work = async () => {
      while (this.feedAgain && !this.stopped) {
        this.feedAgain = false
        const { session, fed, meta } = this
        const rows = await this.journal.run((t) => {
          if (t.meta.gen !== meta.gen) return []
          this.meta = t.meta
          return requested(t.up.getAll(after(fed))) as Promise<Up[]>
        })
        if (session !== this.session || this.stopped) continue
        for (const { data, close } of rows) {
          if (session!.state === 'closed') break
          if (data !== undefined) this.fed = session!.send(data)
          else session!.close(close!.code, close!.reason)
        }
      }
    }
    work()
      .catch((error: unknown) => {
        // A message that the server does not take, and that has its number: as when it gets there.
        if (error instanceof RangeError) this.dispatch!(() => finish(this.machine!, 4304, 'too large'))
        else this.fail(error)
      })
      .finally(() => {
        this.feeding = false
        if (this.feedAgain) this.feed()
      })
  }

  /**
   * Takes messages down while somebody listens: otherwise they stay, unacknowledged, with the
   * server.
   */
  async flow(): Promise<void> {
    try {
      const listeners = await this.journal.run((t) => requested(t.tabs.count()))
      if (this.stopped || !this.session) return
      if (listeners && !this.stopListening) this.stopListening = this.session.on('message', () => {})
      if (this.takes.length) this.write()
    } catch (error) {
      this.fail(error)
    }
  }

  /** Writes into the journal what is due, one transaction after the other. */
  private write(): void {
    if (this.writing || this.stopped) return
    this.writing = this.written()
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.writing = undefined
        if (this.changed || (this.takes.length && !this.fullSince)) this.write()
      })
  }

  /** `last`: whether anybody listens or lags no longer counts. */
  private async written(last = false): Promise<void> {
    await Promise.resolve() // many in a row share a transaction
    const { takes } = this
    const count = takes.length
    this.changed = false
    const outcome = await this.journal.run(async (t) => {
      if (t.meta.term !== this.meta.term) return 'another leads'
      await this.learn(t)
      if (count && !last && (t.meta.downSize > backlog || !(await requested(t.tabs.count())))) return full
      for (const [message] of takes.slice(0, count))
        if (message) {
          const { data, number, session } = message
          const row: Down = { data, number, session, cost: measured(data).cost }
          t.down.put(row)
          t.meta.recv = number
          t.meta.downSize += row.cost
        }
      return ''
    })
    if (outcome === 'another leads') return this.stop()
    if (outcome === full) return this.wait()
    this.fullSince = 0
    for (const [, done] of takes.splice(0, count)) done()
    if (count) this.host.news()
    this.show()
  }

  /** Writes down what the server has stated, and drops what it has taken. */
  private async learn(t: Transaction): Promise<void> {
    const m = this.machine!
    if (m._closing._over) return
    if (m._server.run && !unconfirmed(m))
      Object.assign(t.meta, { run: m._server.run, id: m._server.id, largest: m._server.lim.maxMessage })
    if (m._log._base > t.meta.ack) {
      for (const { cost } of (await requested(t.up.getAll(upTo(m._log._base)))) as Up[]) t.meta.upSize -= cost
      t.up.delete(upTo(m._log._base))
      t.meta.ack = m._log._base
    }
    this.meta = t.meta
  }

  /**
   * There is no room, or nobody to take anything. Tabs that are gone or lag for too long are left
   * behind.
   */
  private wait(): void {
    this.fullSince ||= performance.now()
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.leave(), 1e3)
  }

  private async leave(): Promise<void> {
    try {
      const liveTabs = await this.liveTabs()
      const late = performance.now() - this.fullSince > lagTimeout
      await this.journal.run(async (t) => {
        const ids = (await requested(t.tabs.getAllKeys())) as string[]
        const positions = (await requested(t.tabs.getAll())) as number[]
        const best = Math.max(...positions)
        ids.forEach((id, i) => {
          if (!liveTabs.has(id) || (late && positions[i]! < best && t.meta.downSize > backlog)) t.tabs.delete(id)
        })
        await dropTaken(t)
      })
      if (this.stopped) return
      this.host.news()
      this.fullSince = this.takes.length ? this.fullSince : 0
      this.write()
    } catch (error) {
      this.fail(error)
    }
  }

  /** The session is over: another one takes its place, or it was the last. */
  private async ended(end: End): Promise<void> {
    if (this.stopped) return
    try {
      // What came before the end goes to every tab first.
      await this.writing
      this.writing = this.written(true)
      await this.writing
      this.writing = undefined
      const kind = ~~(end.code / 100)
      const again = this.options.renew !== false && (kind === 42 || (kind === 41 && unconfirmed(this.machine!)))
      const { meta, fed } = this
      const done = await this.journal.run(async (t) => {
        if (t.meta.term !== meta.term) return false
        // What the session was never given was not delivered.
        const rest = (await requested(t.up.getAllKeys(after(fed)))) as number[]
        const fates: End = {
          ...end,
          notDelivered: [...end.notDelivered, ...(t.meta.closing ? rest.slice(0, -1) : rest)],
        }
        t.up.clear()
        const closed = t.meta.closing
        t.meta =
          again && !closed
            ? { ...fresh(t.meta), term: t.meta.term, renewed: fates }
            : { ...t.meta, over: fates, upSize: 0 }
        this.meta = t.meta
        return true
      })
      if (!done) return this.stop()
      this.host.news()
      if (this.meta.over) return this.stop()
      // Not at once: a server that goes away has many clients.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(30e3, 500 * 2 ** this.renewals++)))
      if (!this.stopped) await this.start()
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (this.stopped) return
    this.stop()
    this.host.fail(error)
  }

  /** Leaves the session to whoever leads next. */
  stop(): void {
    if (this.stopped) return
    this.stopped = true
    clearTimeout(this.timer)
    this.dispatch?.(() => finish(this.machine!, 4004, 'another tab leads'))
  }
}
