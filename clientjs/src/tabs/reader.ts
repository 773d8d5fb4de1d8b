// What a tab reads of the log down, and what it writes into the log up.

import { prepare } from '../wire/codec.js'
import { after, dropTaken, requested, type Down, type Journal, type Meta, type Up } from './journal.js'
import type { Message } from '../types.js'

/** A message's lines, and what it counts against the bounds. */
export function measured(data: string | Uint8Array): { lines: string[]; cost: number } {
  const { _entries, _cost } = prepare(data)
  return { lines: _entries.map((entry) => entry._line), cost: _cost }
}

/** What the reader reports to its tab. */
export interface ReaderEvents {
  /** There are messages in the inbox. */
  came(): void
  /** This tab has taken messages: there may be room for more. */
  room(): void
  /** All that the journal has was read, and this is the session now. */
  read(meta: Meta): void
  /** The tab has lagged for too long. */
  dropped(): void
}

/** How many messages are read at a time. */
const page = 64

export class Reader {
  /** Messages that wait for the application, each with its key. */
  readonly inbox: [number, Message][] = []
  private readonly journal: Journal
  private readonly tab: string
  private readonly events: ReaderEvents
  /**
   * The last message that was read, that the application has taken, and that the journal knows it
   * has.
   */
  private last = 0
  private taken = 0
  private reported = 0
  private joined = false
  private working = false
  private again = false
  private stopped = false

  constructor(journal: Journal, tab: string, events: ReaderEvents) {
    this.journal = journal
    this.tab = tab
    this.events = events
  }

  /** Starts where the tab is that has taken most. */
  join(): void {
    if (this.joined) return
    this.joined = true
    this.journal
      .run(({ meta, tabs }) => {
        tabs.put(meta.seen, this.tab)
        this.last = this.taken = this.reported = meta.seen
      })
      .then(() => {
        this.events.room()
        this.sync()
      })
      .catch(() => {}) // whoever leads has the same journal, and reports it
  }

  /** The next message; the inbox is not empty. */
  take(): Message {
    const [key, message] = this.inbox.shift()!
    this.taken = key
    this.sync()
    return message
  }

  /** Reads what is new, and reports what was taken. */
  sync(): void {
    this.again = true
    if (this.working || this.stopped) return
    this.working = true
    this.work()
      .catch(() => {})
      .finally(() => {
        this.working = false
      })
  }

  stop(): void {
    this.stopped = true
  }

  private async work(): Promise<void> {
    await Promise.resolve() // many in a row share a transaction
    while (this.again && !this.stopped) {
      this.again = false
      const { taken, reported } = this
      const reading = this.last > 0 || this.reported > 0 || this.joined
      // What nobody takes is not added to without bound.
      const room = this.inbox.length < page
      const { meta, keys, rows, mine } = await this.journal.run(async (t) => {
        const mine = (await requested(t.tabs.get(this.tab))) as number | undefined
        if (mine !== undefined && taken > reported) {
          await requested(t.tabs.put(taken, this.tab))
          t.meta.seen = Math.max(t.meta.seen, taken)
          await dropTaken(t)
        }
        const read = reading && mine !== undefined && room
        return {
          meta: t.meta,
          mine,
          keys: read ? ((await requested(t.down.getAllKeys(after(this.last), page))) as number[]) : [],
          rows: read ? ((await requested(t.down.getAll(after(this.last), page))) as Down[]) : [],
        }
      })
      if (this.stopped) return
      this.reported = taken
      if (taken > reported) this.events.room()
      if (this.joined && mine === undefined) return this.events.dropped()
      keys.forEach((key, i) => {
        const { data, number, session } = rows[i]!
        this.inbox.push([key, { data, number, session }])
        this.last = key
      })
      if (rows.length === page) this.again = true
      if (rows.length) this.events.came()
      if (room && !this.again) this.events.read(meta)
    }
  }
}

interface Waiting extends Up {
  lines: number
  resolve: (number: number) => void
  reject: (reason: unknown) => void
}

export class Writer {
  private readonly journal: Journal
  private readonly bound: number
  /** Something was written. */
  private readonly wrote: () => void
  private waiting: Waiting[] = []
  private working = false

  constructor(journal: Journal, bound: number, wrote: () => void) {
    this.journal = journal
    this.bound = bound
    this.wrote = wrote
  }

  /** Appends a message and resolves with its number. */
  send(data: string | Uint8Array, lines: number, cost: number): Promise<number> {
    return this.append({ data, cost }, lines)
  }

  /** Appends the last line, after all that was sent; resolves if it is the last already. */
  close(code: number, reason: string): Promise<number> {
    return this.append({ close: { code, reason }, cost: 0 }, 1)
  }

  private append(row: Up, lines: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...row, lines, resolve, reject })
      if (!this.working) void this.work()
    })
  }

  private async work(): Promise<void> {
    this.working = true
    await Promise.resolve() // many in a row share a transaction
    while (this.waiting.length) {
      const batch = this.waiting.splice(0)
      try {
        const outcomes = await this.journal.run(({ meta, up }) =>
          batch.map(({ data, close, lines, cost }) => {
            if (meta.over || meta.closing) return close ? meta.last : Error('closed')
            meta.closing = !!close
            if (cost - 16 * lines > meta.largest) return RangeError('too large')
            if (meta.upSize + cost > this.bound) return RangeError('full')
            meta.last += lines
            meta.upSize += cost
            up.put(close ? { close, cost } : { data, cost }, meta.last)
            return meta.last
          }),
        )
        this.wrote()
        outcomes.forEach((outcome, i) =>
          typeof outcome === 'number' ? batch[i]!.resolve(outcome) : batch[i]!.reject(outcome),
        )
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.working = false
  }
}
