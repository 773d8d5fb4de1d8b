// A session that survives the reload of its page: the store (see Store in types.ts) is the tab's
// sessionStorage, written synchronously and before anything is sent, so that no moment of a reload
// loses or doubles a message or gives its number to another one.
//
//   const session = connect('/holdfast', { store: await reloadStore('chat') })
//
// Under `holdfast:NAME` is the copy's random name, under `holdfast:NAME:COPY` its head and under
// `holdfast:NAME:COPY:N` line N of the log. The head is written after the lines it counts and
// before those it no longer counts are removed.
//
// Browsers copy sessionStorage into a duplicated tab and into windows that a page opens. Two pages
// must not go on from one copy, and none from one that has aged. So a page holds a Web Lock with
// the copy's name as long as it lives, and each writing changes a stamp that localStorage, which is
// not copied, has as well. The stamp holds no secret.

import type { Machine } from './machine/state.js'
import { headOf, restore, unanswered, type Head, type StoreHooks } from './store.js'
import type { Events, Store } from './types.js'
import { randomName } from './wire/codec.js'

/** Options of `reloadStore`; all may be left out. */
export interface ReloadOptions {
  /**
   * How many characters of unacknowledged messages to keep, binary ones as base64, before it turns
   * itself off. Default: 4 MiB.
   */
  limit?: number
  /** How long to wait, in ms, for the page before this one to be gone. Default: 2,000. */
  wait?: number
}

/** A store for one call of `connect`. */
export interface ReloadStore extends Store {
  /** The session goes on from an earlier page; false when it is a new one. */
  readonly restored: boolean
}

/** A head in a storage. */
interface Stamped extends Head {
  stamp: string
  /**
   * The stamp of the head before: localStorage still has it if the page was killed between two
   * writes.
   */
  before: string
}

/**
 * Stamps of tabs that were closed are removed after a day; no session waits longer for its client
 * (HF1-LIV-08).
 */
const day = 864e5

/**
 * Makes the store that keeps a session under `name` for as long as its tab is open. Call it once
 * before each `connect`; two sessions in a page need two names. It never rejects: where the
 * platform lacks Web Locks (they need https or localhost) or forbids storage, the store is off and
 * the session has the event `unstored`.
 */
export async function reloadStore(
  name: string,
  { limit = 4 << 20, wait = 2e3 }: ReloadOptions = {},
): Promise<ReloadStore> {
  const index = `holdfast:${name}`
  try {
    const copy = sessionStorage.getItem(index)
    if (copy) {
      const old = new Copy(index, copy)
      const held = hold(old.prefix, wait)
      const granted = await held.granted
      // This page's own: a component that was mounted twice, say. A store that no session has used
      // gives way to this one; beside one that has there is nothing to go on from.
      if (!held.store?.giveWay()) {
        const head = granted ? old.readHead() : undefined
        if (head) return new SessionStore(name, limit, old, held, head)
        old.erase(false) // the stamp is that of the page it was copied from
        held.release()
      }
    }
    prune(index)
    const fresh = new Copy(index, randomName(12))
    const held = hold(fresh.prefix, wait)
    await held.granted
    return new SessionStore(name, limit, fresh, held)
  } catch (error) {
    return new SessionStore(name, limit, undefined, undefined, undefined, String(error))
  }
}

/** A lock that this page has, or waits for. */
interface Held {
  /** False if another page has it all the while. */
  readonly granted: Promise<boolean>
  release(): void
  /** The store that has the copy. */
  store?: SessionStore
}

/** By the page's lock manager and their names. */
const ownLocks = new WeakMap<LockManager, Map<string, Held>>()

/** Takes a lock until it is released or the page is gone; or gives what this page has of it. */
function hold(lock: string, wait: number): Held {
  const { locks } = navigator
  if (!locks) throw Error('no Web Locks')
  const own = ownLocks.get(locks) ?? new Map<string, Held>()
  ownLocks.set(locks, own)
  const before = own.get(lock)
  if (before) return before
  const given = new AbortController()
  const timer = setTimeout(() => given.abort(), wait)
  let free = () => {}
  const granted = new Promise<boolean>((resolve) => {
    const until = () => {
      clearTimeout(timer)
      resolve(true)
      return new Promise<void>((end) => (free = end))
    }
    locks.request(lock, { signal: given.signal }, until).catch(() => resolve(false))
  })
  const release = () => {
    own.delete(lock)
    free()
  }
  void granted.then((is) => is || release())
  const held = { granted, release }
  own.set(lock, held)
  return held
}

/** Removes the stamps of copies that nobody has touched for a day. */
function prune(index: string): void {
  for (const key of Object.keys(localStorage))
    if (key.startsWith(index + ':') && !(Date.now() - parseInt(localStorage.getItem(key)!) < day))
      localStorage.removeItem(key)
}

/** One copy of a session in the tab's storage. */
class Copy {
  readonly prefix: string
  // Those of this page, whatever becomes of the names.
  private readonly session = sessionStorage
  private readonly local = localStorage
  private readonly index: string
  private readonly name: string

  constructor(index: string, name: string) {
    this.index = index
    this.name = name
    this.prefix = `${index}:${name}`
  }

  readLine(n: number): string | null {
    return this.session.getItem(`${this.prefix}:${n}`)
  }

  setLine(n: number, line: string): void {
    this.session.setItem(`${this.prefix}:${n}`, line)
  }

  dropLine(n: number): void {
    this.session.removeItem(`${this.prefix}:${n}`)
  }

  /** The head of a copy that is whole and has not aged. */
  readHead(): Stamped | undefined {
    const head = JSON.parse(this.session.getItem(this.prefix) ?? 'null') as Stamped | null
    const stamp = this.local.getItem(this.prefix)
    if (!head || !stamp || (stamp !== head.stamp && stamp !== head.before)) return
    for (let n = head.ack; n++ < head.last;) if (this.readLine(n) === null) return
    // The server may have dropped it, and it knows no fates.
    if (unanswered(head) && !head.last) return
    return head
  }

  setHead(head: Head, before: string | undefined): Stamped {
    const stamped = { ...head, stamp: `${Date.now()} ${randomName(6)}`, before: before ?? '' }
    if (!before) this.session.setItem(this.index, this.name)
    this.session.setItem(this.prefix, JSON.stringify(stamped))
    this.local.setItem(this.prefix, stamped.stamp)
    return stamped
  }

  /** Removes it, what counts first. What cannot be removed has lost its stamp. */
  erase(stampToo = true): void {
    for (const act of [
      () => stampToo && this.local.removeItem(this.prefix),
      () => this.session.removeItem(this.prefix),
      () => {
        for (const key of Object.keys(this.session)) if (key.startsWith(this.prefix + ':')) this.session.removeItem(key)
      },
    ])
      try {
        act()
      } catch {
        // another one may do
      }
  }
}

class SessionStore implements ReloadStore, StoreHooks {
  readonly name: string
  restored: boolean
  private readonly limit: number
  private readonly copy: Copy | undefined
  private readonly held: Held | undefined
  private used = false
  /** Why it is off. */
  private off: string
  /** What the first machine goes on from. */
  private old: Stamped | undefined
  /** What was written last. */
  private head: Stamped | undefined
  /** Characters of the lines that are kept. */
  private size = 0
  private report: (() => void) | undefined

  constructor(name: string, limit: number, copy?: Copy, held?: Held, old?: Stamped, off = '') {
    this.held = held
    if (held) held.store = this
    this.name = name
    this.limit = limit
    this.copy = copy
    this.old = old
    this.off = off
    this.restored = !!old
  }

  _start(m: Machine, emit: (type: 'unstored', event: Events['unstored']) => void): void {
    const { old, copy } = this
    this.used = true
    this.report = () => emit('unstored', { reason: this.off })
    this.old = undefined
    if (this.off) queueMicrotask(this.report) // whoever listens does so when connect has returned
    if (!old) return
    restore(m, old, (n) => copy!.readLine(n)!)
    this.head = old
    for (const { _line } of m._log._entries) this.size += _line.length
  }

  _keep(m: Machine): void {
    if (this.off) return
    try {
      // The page that is loaded after a close wants a new session.
      if (m._closing._local || m._closing._peer || m._closing._over) this.forget()
      else this.write(m, this.copy!)
    } catch (error) {
      this.off = String(error)
      this.report!()
      this.forget()
    }
  }

  _end(): void {
    if (this.held?.store === this) this.held.release()
  }

  /** For another store of the same copy in this page; true if a session uses it. */
  giveWay(): boolean {
    if (!this.used) {
      this.off = 'another store took its place'
      this.old = undefined
      this.restored = false
    }
    return this.used
  }

  private write(m: Machine, copy: Copy): void {
    if (this.head?.key !== m._config._key) this.forget()
    const { head } = this
    const next = headOf(m, head?.since ?? Date.now())
    if (head && (Object.keys(next) as (keyof Head)[]).every((name) => head[name] === next[name])) return
    for (let n = head?.last ?? 0; n++ < next.last;) {
      const { _line } = m._log._entries[n - next.ack - 1]!
      this.size += _line.length
      if (this.size > this.limit) throw RangeError('more than is kept')
      copy.setLine(n, _line)
    }
    this.head = copy.setHead(next, head?.stamp)
    for (let n = head?.ack ?? 0; n++ < next.ack;) {
      this.size -= copy.readLine(n)!.length
      copy.dropLine(n)
    }
  }

  private forget(): void {
    if (this.head || this.off) this.copy!.erase()
    this.head = undefined
    this.size = 0
  }
}
