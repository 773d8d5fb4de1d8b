// What the tabs of an origin share: the logs of one session in IndexedDB. Whoever may carry the
// session next finds here what it needs, whenever the one before was killed, since a transaction is
// there whole or not at all.

import { randomName } from '../wire/codec.js'
import type { Head } from '../store.js'
import type { End } from '../types.js'

/** What is known of the session. */
export interface Meta extends Head {
  /** Rises with every session that takes the place of another. */
  gen: number
  /**
   * Rises with every tab that leads. It makes that tab's attachments and selections higher than all
   * before.
   */
  term: number
  /** Bytes, with 16 for every line, of the messages up that are kept, and of the messages down. */
  upSize: number
  downSize: number
  /** The largest message that the server takes, in bytes. */
  largest: number
  /** The furthest that any tab has taken in the log down: where a tab that joins begins. */
  seen: number
  /** Somebody has closed it: its last line is `!close`. */
  closing: boolean
  /** How the session before this one ended. */
  renewed?: End
  /** How this one has ended, for good. */
  over?: End
}

/** A message of the log up, or its end. The key is the number of its last line. */
export interface Up {
  data?: string | Uint8Array | undefined
  close?: { code: number; reason: string } | undefined
  cost: number
}

/** A message of the log down. The key counts over all sessions. */
export interface Down {
  data: string | Uint8Array
  number: number
  session: string
  cost: number
}

/** One transaction. Within it nothing but its own requests may be awaited. */
export interface Transaction {
  meta: Meta
  /** By number. */
  up: IDBObjectStore
  /** By a rising key. */
  down: IDBObjectStore
  /** The tabs that listen: id → the key down to which each has taken the log down. */
  tabs: IDBObjectStore
}

/** The result of a request. */
export const requested = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error as Error)
  })

/** Everything after a key. */
export const after = (key: number): IDBKeyRange => IDBKeyRange.lowerBound(key, true)
/** Everything up to a key. */
export const upTo = (key: number): IDBKeyRange => IDBKeyRange.upperBound(key)

/** A session that nobody has begun. */
export const fresh = (before?: Meta): Meta => ({
  gen: (before?.gen ?? 0) + 1,
  term: before?.term ?? 0,
  key: randomName(32),
  run: undefined,
  id: undefined,
  att: 0,
  u: 0,
  recv: 0,
  ack: 0,
  last: 0,
  since: 0,
  upSize: 0,
  downSize: before?.downSize ?? 0,
  largest: 1 << 20,
  seen: before?.seen ?? 0,
  closing: false,
})

const stores = ['meta', 'up', 'down', 'tabs']

export class Journal {
  private readonly db: IDBDatabase

  private constructor(db: IDBDatabase) {
    this.db = db
  }

  static async open(name: string): Promise<Journal> {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => {
      for (const store of stores) request.result.createObjectStore(store, { autoIncrement: store === 'down' })
    }
    return new Journal(await requested(request))
  }

  /**
   * Runs `act` in a transaction and resolves with its result once that is committed. The `meta` it
   * is given is written back when it has changed it. What `act` throws undoes everything.
   */
  async run<T>(act: (t: Transaction) => T | Promise<T>): Promise<T> {
    const t = this.db.transaction(stores, 'readwrite')
    const [metas, up, down, tabs] = stores.map((name) => t.objectStore(name)) as [
      IDBObjectStore,
      IDBObjectStore,
      IDBObjectStore,
      IDBObjectStore,
    ]
    let cause: unknown
    const committed = new Promise<void>((resolve, reject) => {
      t.oncomplete = () => resolve()
      t.onabort = () => reject((cause ?? t.error ?? Error('aborted')) as Error)
    })
    const work = async () => {
      const meta = ((await requested(metas.get(0))) as Meta | undefined) ?? fresh()
      const before = JSON.stringify(meta)
      const all = { meta, up, down, tabs }
      const result = await act(all)
      if (JSON.stringify(all.meta) !== before) metas.put(all.meta, 0)
      return result
    }
    const worked = work().catch((error: unknown) => {
      cause = error
      try {
        t.abort()
      } catch {
        // it was aborted already
      }
    })
    await committed
    return (await worked) as T
  }

  close(): void {
    this.db.close()
  }
}

/** Drops the messages down that every tab has taken which listens. */
export async function dropTaken(t: Transaction): Promise<void> {
  const positions = (await requested(t.tabs.getAll())) as number[]
  const least = Math.min(...positions, t.meta.seen)
  for (const { cost } of (await requested(t.down.getAll(upTo(least)))) as Down[]) t.meta.downSize -= cost
  t.down.delete(upTo(least))
}
