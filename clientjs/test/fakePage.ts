// Pages of one origin, each of which can die at any moment: what a dead page still does reaches
// nobody.
import { vi } from 'vitest'

/** Something that happens in a page from outside: it may die there. */
export class Life {
  dead = false
  /** Counts what it does; dies before step `dieAt`. */
  steps = 0
  dieAt = Infinity
  onDeath: (() => void)[] = []

  /** Whether the page lives to do one thing more. */
  step(): boolean {
    if (!this.dead && this.steps++ >= this.dieAt) this.die()
    return !this.dead
  }

  /** It runs nothing, and what comes meanwhile waits until it is thawed. */
  frozen = false
  private waiting: (() => void)[] = []

  /** Something that comes from outside. */
  receive(act: () => void): void {
    if (this.frozen) this.waiting.push(act)
    else act()
  }

  thaw(): void {
    this.frozen = false
    for (const act of this.waiting.splice(0)) act()
  }

  die(): void {
    if (this.dead) return
    this.dead = true
    for (const act of this.onDeath.splice(0)) act()
  }
}

/** Web Storage. Its items are own properties, as the platform's are. */
export class FakeStorage {
  [key: string]: unknown
  getItem(key: string): string | null {
    return Object.hasOwn(this, key) ? (this[key] as string) : null
  }
  setItem(key: string, value: string): void {
    this[key] = value
  }
  removeItem(key: string): void {
    delete this[key]
  }
}

/** A page's view of a storage. `refuse`: setItem throws. */
export function storageOf(life: Life, storage: FakeStorage, refuse: () => boolean = () => false): Storage {
  const own = {
    getItem: (key: string) => storage.getItem(key),
    setItem(key: string, value: string) {
      if (refuse()) throw new DOMException('full', 'QuotaExceededError')
      if (life.step()) storage.setItem(key, value)
    },
    removeItem(key: string) {
      if (life.step()) storage.removeItem(key)
    },
  }
  return new Proxy(storage, {
    get: (target, key) => own[key as keyof typeof own] ?? Reflect.get(target, key),
  }) as unknown as Storage
}

interface Request {
  name: string
  grant: () => void
}

/** Web Locks of an origin. */
export class FakeLocks {
  /** Lock → takes it away from who holds it. */
  private held = new Map<string, () => void>()
  private queue: Request[] = []

  of(life: Life): Pick<LockManager, 'request' | 'query'> {
    const request = (name: string, ...rest: unknown[]): Promise<unknown> => {
      const act = rest.at(-1) as (lock: { name: string } | null) => Promise<unknown>
      const { signal, ifAvailable, steal } = (rest.length > 1 ? rest[0] : {}) as LockOptions
      return new Promise((resolve, reject) => {
        let over = false
        const entry: Request = {
          name,
          grant: () => {
            const release = () => {
              if (over) return
              over = true
              this.held.delete(name)
              this.next(name)
            }
            this.held.set(name, () => {
              over = true
              this.held.delete(name)
              life.receive(() => life.dead || reject(new DOMException('stolen', 'AbortError')))
            })
            life.onDeath.push(release)
            queueMicrotask(() => {
              if (life.dead) return
              act({ name }).then(
                (value) => (release(), resolve(value)),
                (error) => (release(), reject(error as Error)),
              )
            })
          },
        }
        const drop = () => {
          this.queue = this.queue.filter((r) => r !== entry)
        }
        if (life.dead) return
        if (ifAvailable && this.held.has(name)) return resolve(act(null))
        life.onDeath.push(drop)
        signal?.addEventListener('abort', () => {
          if (!this.queue.includes(entry)) return
          drop()
          reject(signal.reason as Error)
        })
        if (steal) this.held.get(name)?.()
        this.queue[steal ? 'unshift' : 'push'](entry)
        this.next(name)
      })
    }
    const query = () => Promise.resolve({ held: [...this.held.keys()].map((name) => ({ name })), pending: [] })
    return { request, query } as unknown as Pick<LockManager, 'request' | 'query'>
  }

  private next(name: string): void {
    if (this.held.has(name)) return
    const at = this.queue.findIndex((r) => r.name === name)
    if (at >= 0) this.queue.splice(at, 1)[0]!.grant()
  }
}

/** Has the platform's names mean what this page sees. */
export function stubGlobals(names: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(names)) vi.stubGlobal(name, value)
}

/** BroadcastChannels of an origin. */
export class FakeChannels {
  private readonly open = new Set<{ name: string; receive: (data: unknown) => void }>()

  of(life: Life): new (name: string) => BroadcastChannel {
    const { open } = this
    return class {
      onmessage: ((event: { data: unknown }) => void) | null = null
      private readonly self: { name: string; receive: (data: unknown) => void }
      constructor(name: string) {
        this.self = { name, receive: (data) => life.receive(() => life.step() && this.onmessage?.({ data })) }
        open.add(this.self)
        life.onDeath.push(() => this.close())
      }
      postMessage(data: unknown): void {
        if (!life.step()) return
        const copy = structuredClone(data)
        for (const other of open)
          if (other !== this.self && other.name === this.self.name)
            setTimeout(() => open.has(other) && other.receive(copy), 1)
      }
      close(): void {
        open.delete(this.self)
      }
    } as unknown as new (name: string) => BroadcastChannel
  }
}

/** A page's view of the origin's IndexedDB: what has not been committed when it dies never is. */
export function databaseOf(life: Life, factory: IDBFactory, fail: () => boolean = () => false): IDBFactory {
  const patch = (db: IDBDatabase) => {
    const transaction = db.transaction.bind(db)
    db.transaction = (...args: Parameters<IDBDatabase['transaction']>) => {
      if (fail()) throw new DOMException('full', 'QuotaExceededError')
      if (!life.step()) throw new DOMException('dead', 'InvalidStateError')
      const t = transaction(...args)
      const undo = () => {
        try {
          t.abort()
        } catch {
          // it was committed
        }
      }
      life.onDeath.push(undo)
      // The page may die before it learns that it is committed, but then it is.
      t.addEventListener('complete', () => {
        life.onDeath = life.onDeath.filter((act) => act !== undo)
        life.step()
      })
      return t
    }
    return db
  }
  return {
    open(name: string, version: number) {
      const request = factory.open(name, version)
      request.addEventListener('success', () => {
        patch(request.result)
        life.onDeath.push(() => request.result.close())
      })
      return request
    },
  } as unknown as IDBFactory
}
