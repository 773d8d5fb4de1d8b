import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, type End, type Message, type Options, type Session } from '../src/index.js'
import { reloadStore, type ReloadStore } from '../src/reload.js'
import { FakeLocks, FakeStorage, Life, storageOf, stubGlobals } from './fakePage.js'
import { FakeServer, ServerSession } from './fakeServer.js'

const url = 'https://host.test/holdfast'
let locks: FakeLocks
let local: FakeStorage
let server: FakeServer

beforeEach(() => {
  vi.useFakeTimers()
  locks = new FakeLocks()
  local = new FakeStorage()
  server = new FakeServer()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

/** One tab: its storage outlives its pages. */
class Tab {
  readonly storage = new FakeStorage()
  page: Page | undefined

  /** Loads the page, in place of the one before. */
  async load(options: Options = {}, dieAt = Infinity, refuse?: () => boolean): Promise<Page> {
    this.page?.life.die()
    const life = new Life()
    life.dieAt = dieAt
    stubGlobals({
      sessionStorage: storageOf(life, this.storage, refuse),
      localStorage: storageOf(life, local, refuse),
      navigator: { locks: locks.of(life) },
    })
    this.page = new Page(life)
    await this.page.start(options)
    return this.page
  }

  /** As browsers do it: with a copy of the storage. */
  duplicate(): Tab {
    return Object.assign(new Tab(), { storage: Object.assign(new FakeStorage(), this.storage) })
  }

  reload = (options: Options = {}) => this.load(options)
  kept = () => Object.keys(this.storage)
}

class Page {
  session!: Session
  store!: ReloadStore
  readonly messages: Message[] = []
  stop!: () => void
  readonly unstored: string[] = []
  readonly ends: End[] = []
  readonly renewals: End[] = []
  readonly life: Life

  constructor(life: Life) {
    this.life = life
  }

  async start(options: Options): Promise<void> {
    const WebSocket = server.socketFor(this.life)
    const made = reloadStore('test')
    for (let i = 0; i < 50; i++) await Promise.resolve()
    await pass(2000 * +!(await Promise.race([made, Promise.resolve(false)])))
    this.store = await Promise.race([
      made,
      new Promise<ReloadStore>((resolve) =>
        this.life.onDeath.push(() => resolve({ name: '', restored: false } as ReloadStore)),
      ),
    ])
    if (this.life.dead) return
    this.session = connect(url, { WebSocket, transports: ['websocket'], store: this.store, ...options })
    this.stop = this.session.on('message', (m) => this.life.dead || this.messages.push(m))
    this.session.on('unstored', ({ reason }) => this.unstored.push(reason))
    this.session.on('close', (end) => this.ends.push(end))
    this.session.on('renew', (end) => this.renewals.push(end))
  }
}

const only = (): ServerSession => {
  expect(server.sessions.size).toBe(1)
  return [...server.sessions.values()][0]!
}

describe('a component that is mounted twice', () => {
  /** Opens a store as a component does that may be gone before it has it. */
  const make = async () => {
    let store: ReloadStore | undefined
    void reloadStore('test').then((made) => (store = made))
    for (let i = 0; i < 50; i++) await Promise.resolve()
    return store! // without a wait for the lock
  }
  const use = (life: Life, store: ReloadStore) =>
    connect(url, { WebSocket: server.socketFor(life), transports: ['websocket'], store })

  test('after a reload: the store that is used goes on, also when both are made at a time', async () => {
    const tab = new Tab()
    await tab.load()
    await pass(100)
    const page = await tab.reload()
    await pass(100)
    tab.page!.life.die()
    stubGlobals({
      sessionStorage: storageOf(new Life(), tab.storage),
      localStorage: storageOf(new Life(), local),
      navigator: { locks: locks.of(new Life()) },
    })
    const [first, second] = await Promise.all([make(), make()])
    expect(second.restored).toBe(true)
    const third = await make()
    expect([first, second, third].map((store) => store.restored)).toEqual([false, false, true])
    const session = use(new Life(), third)
    expect(session.id).toBe(page.session.id)
    await pass(100)
    // One that was given way reports that it keeps nothing, and takes nothing from the other.
    const unstored: string[] = []
    const other = use(new Life(), first)
    other.on('unstored', ({ reason }) => unstored.push(reason))
    other.close()
    await pass(100)
    expect(unstored).toHaveLength(1)
    session.send('kept')
    await pass()
    expect(tab.kept().some((key) => tab.storage.getItem(key) === 'tkept\n')).toBe(true)
    // Beside a session that goes on there is nothing to go on from, and nothing is taken from it.
    const fourth = await make()
    expect(fourth.restored).toBe(false)
    expect(tab.kept().some((key) => tab.storage.getItem(key) === 'tkept\n')).toBe(true)
  })

  test('a session that ends gives its lock back', async () => {
    const tab = new Tab()
    const page = await tab.load()
    await pass(100)
    expect((await locks.of(page.life).query()).held).toHaveLength(1)
    page.session.close()
    await pass(100)
    expect((await locks.of(page.life).query()).held).toEqual([])
    expect((await make()).restored).toBe(false)
  })
})

describe('a page that is loaded again', () => {
  test('goes on with the session: nothing is lost, doubled or out of order, both ways', async () => {
    const tab = new Tab()
    const got: number[] = []
    let sent = 0
    for (let load = 0; load < 10; load++) {
      const page = await tab.load()
      expect(page.store.restored).toBe(load > 0)
      for (let i = 0; i < 20; i++) {
        expect(page.session.send(`up ${++sent}`)).toBe(sent)
        await pass(3)
        if (server.sessions.size) only().send(`down ${only().down.length + 1}`)
      }
      got.push(...page.messages.map((m) => m.number))
      expect(page.unstored).toEqual([])
    }
    const last = tab.page!
    await pass(200)
    got.push(...last.messages.map((m) => m.number).filter((n) => !got.includes(n)))
    const s = only()
    expect(s.up).toEqual(Array.from({ length: 200 }, (_, i) => `up ${i + 1}`))
    expect(got).toEqual(s.down.map((_, i) => i + 1))
    expect(s.down.length).toBeGreaterThan(100)
    expect(server.complaints).toEqual([])
    expect(last.session.buffered).toBe(0)
  })

  test('keeps what was sent while nothing carried the session', async () => {
    const tab = new Tab()
    server.delay = 60_000
    const page = await tab.load()
    page.session.send('early')
    page.session.send('x'.repeat(4000) + '\\\n\r')
    await pass()
    server.delay = 5
    await tab.reload()
    await pass(100)
    expect(only().up.join('|')).toContain('early|')
    expect(tab.page!.session.buffered).toBe(0)
  })

  test('gives messages again that nobody took', async () => {
    const tab = new Tab()
    const page = await tab.load()
    await pass(50)
    only().send('a')
    await pass(50)
    expect(page.messages).toHaveLength(1)
    // Nobody takes the next one: it is in the page when that goes.
    page.stop()
    only().send('b')
    await pass(50)
    await tab.reload()
    await pass(100)
    expect(tab.page!.messages).toMatchObject([{ data: 'b', number: 2 }])
  })

  test('is told the fates when the server does not know the session any more', async () => {
    const tab = new Tab()
    const page = await tab.load()
    await pass(50)
    page.session.send('delivered')
    await pass(50)
    server.delay = 60_000
    page.session.send('lost')
    await pass()
    const id = page.session.id
    server.restart()
    server.delay = 5
    const next = await tab.reload()
    await pass(3000)
    expect(next.renewals).toMatchObject([{ code: 4204, session: id, delivered: 1, notDelivered: [], unknown: [2] }])
    expect(next.session.send('new')).toBe(1)
    await pass(1000)
    expect(only().up).toEqual(['new'])
    // The new session is kept as the old one was.
    await tab.reload()
    await pass(100)
    expect(tab.page!.session.send('more')).toBe(2)
  })

  test('begins a new session when the old one was closed', async () => {
    const tab = new Tab()
    const page = await tab.load()
    await pass(50)
    page.session.close()
    await pass(50)
    expect(tab.kept()).toEqual(['holdfast:test'])
    const next = await tab.reload()
    expect(next.store.restored).toBe(false)
    await pass(50)
    expect(server.sessions.size).toBe(2)
    expect(next.session.state).toBe('open')
  })

  test('begins a new session when the server has ended the old one meanwhile', async () => {
    const tab = new Tab()
    await tab.load()
    await pass(50)
    tab.page!.life.die()
    only().over = { code: 4100, reason: 'done' }
    const next = await tab.reload()
    await pass(3000)
    expect(next.renewals).toMatchObject([{ code: 4100, reason: 'done' }])
    expect(next.session.state).toBe('open')
  })

  test('does not create a second session with messages that a first may have delivered', async () => {
    const tab = new Tab()
    const page = await tab.load()
    page.session.send('once')
    await pass(12) // the server has it and its answer is under way
    page.life.die()
    expect(only().up).toEqual(['once'])
    server.restart() // as after 20 s without the run
    await pass(20_000)
    const next = await tab.reload()
    await pass(3000)
    expect(next.renewals).toMatchObject([{ code: 4204, delivered: 0, unknown: [1] }])
    expect(only().up).toEqual([])
  })
})

describe('two pages never go on with one session', () => {
  test('a duplicated tab begins its own', async () => {
    const tab = new Tab()
    const page = await tab.load()
    page.session.send('a')
    await pass(50)
    const twin = tab.duplicate()
    const other = await twin.load()
    expect(other.store.restored).toBe(false)
    other.session.send('b')
    await pass(50)
    expect(server.sessions.size).toBe(2)
    expect([...server.sessions.values()].map((s) => s.up)).toEqual([['a'], ['b']])
    // Each goes on with its own.
    await twin.reload()
    expect(twin.page!.store.restored).toBe(true)
    await tab.reload()
    expect(tab.page!.store.restored).toBe(true)
  })

  test('not from a copy that has aged, even if the first is gone', async () => {
    const tab = new Tab()
    const page = await tab.load()
    await pass(50)
    const twin = tab.duplicate()
    page.session.send('after the copy')
    await pass()
    page.life.die()
    const other = await twin.load()
    expect(other.store.restored).toBe(false)
    expect(twin.kept().filter((key) => key.split(':').length > 2).length).toBeLessThan(2)
  })

  test('a window that was opened with a copy begins its own', async () => {
    const tab = new Tab()
    await tab.load()
    await pass(50)
    const twin = tab.duplicate()
    await twin.load()
    expect(twin.page!.store.restored).toBe(false)
    expect(tab.page!.life.dead).toBe(false)
  })
})

describe('a copy that is older than the session, as after a crash of the browser,', () => {
  const stale = async (then: (page: Page) => void | Promise<void>) => {
    const tab = new Tab()
    await tab.load()
    await pass(50)
    const storage = Object.assign(new FakeStorage(), tab.storage)
    const stamps = Object.assign(new FakeStorage(), local)
    await then(tab.page!)
    await pass(300)
    tab.page!.life.die()
    Object.assign(tab, { storage })
    for (const key of Object.keys(local)) local.removeItem(key)
    Object.assign(local, stamps)
    const next = await tab.reload()
    expect(next.store.restored).toBe(true)
    next.session.send('other')
    await pass(5000)
    expect(next.renewals).toMatchObject([{ code: 4202 }])
    expect(next.session.state).toBe('open')
    expect(server.complaints.filter((c) => !c.startsWith('attachment'))).toEqual([])
  }
  test('ends where numbers were used since', () => stale((page) => void page.session.send('since')))
  test('ends where messages were taken since', () => stale(() => only().send('since')))
})

describe('the store turns itself off', () => {
  const offs = (page: Page, reason: RegExp) => {
    expect(page.unstored).toHaveLength(1)
    expect(page.unstored[0]).toMatch(reason)
  }

  test('when a write fails, at any of them, and the next page begins a new session', async () => {
    for (let at = 0; ; at++) {
      const tab = new Tab()
      let writes = 0
      server = new FakeServer()
      const page = await tab.load({}, Infinity, () => writes++ >= at)
      page.session.send('a')
      await pass(20)
      page.session.send('b')
      await pass(100)
      if (writes <= at) break
      expect([...server.sessions.values()].at(-1)!.up).toEqual(['a', 'b'])
      offs(page, /full/)
      const next = await tab.reload()
      expect(next.store.restored, `write ${at}`).toBe(false)
      expect(tab.kept().filter((key) => key.split(':').length > 3)).toEqual([])
      expect(at).toBeLessThan(50)
    }
  })

  test('when more is unacknowledged than it keeps', async () => {
    const tab = new Tab()
    server.delay = 60_000
    const page = await tab.load()
    for (let i = 0; i < 5; i++) page.session.send('x'.repeat(900_000))
    await pass()
    offs(page, /more than is kept/)
    expect(tab.kept()).toEqual(['holdfast:test'])
    expect(page.session.buffered).toBeGreaterThan(4.5e6)
  })

  test('where there are no Web Locks, and where storage is forbidden', async () => {
    const life = new Life()
    stubGlobals({
      sessionStorage: storageOf(life, new FakeStorage()),
      localStorage: storageOf(life, local),
      navigator: {},
    })
    const page = new Page(life)
    await page.start({})
    await pass(50)
    offs(page, /no Web Locks/)
    expect(page.session.state).toBe('open')

    stubGlobals({ sessionStorage: undefined })
    const other = new Page(life)
    await other.start({})
    await pass(50)
    expect(other.unstored).toHaveLength(1)
    expect(other.session.state).toBe('open')
  })
})

test('stamps of tabs that were closed do not pile up', async () => {
  await new Tab().load()
  await pass(50)
  expect(Object.keys(local)).toHaveLength(1)
  vi.setSystemTime(Date.now() + 2 * 864e5)
  await new Tab().load()
  await pass(50)
  expect(Object.keys(local)).toHaveLength(1)
})

// Whatever the page was about to do, writing, sending or taking, it dies before it.
test('a page that is killed at any step loses, doubles and reuses nothing', async () => {
  let kills = 0
  for (let dieAt = 0; ; dieAt++) {
    server = new FakeServer()
    locks = new FakeLocks()
    const tab = new Tab()
    const accepted: string[] = []
    const taken: string[] = []
    let n = 0
    const run = async (page: Page, rounds: number) => {
      for (let i = 0; i < rounds && !page.life.dead; i++) {
        const text = `up ${++n}`
        page.session.send(text)
        await pass() // the task is over
        if (!page.life.dead) accepted.push(text)
        if (i % 2) await pass(6)
        const s = [...server.sessions.values()][0]
        if (s && s.down.length < 12) s.send(`down ${s.down.length + 1}`)
      }
      await pass(120)
      taken.push(...page.messages.map((m) => `${m.number} ${m.data as string}`))
    }
    await tab.load({}, dieAt)
    if (tab.page!.session) await run(tab.page!, 6)
    const killed = tab.page!.life.dead
    kills += +killed
    for (let i = 0; i < 2; i++) await run(await tab.reload(), 4)
    const what = `killed before step ${dieAt}`
    expect(server.sessions.size, what).toBe(1)
    expect(server.complaints, what).toEqual([])
    const s = only()
    // A message whose send the kill interrupted may have been delivered or not.
    const certain = s.up.filter((text) => accepted.includes(text))
    expect(certain, what).toEqual(accepted)
    expect(new Set(s.up).size, what).toBe(s.up.length)
    // A message that was being handed out when the page died is handed out again, under its number.
    const down = s.down.map((text, i) => `${i + 1} ${text}`)
    expect([...new Set(taken)], what).toEqual(down)
    if (!killed) {
      expect(taken).toEqual(down)
      break
    }
  }
  expect(kills).toBeGreaterThan(40)
}, 60_000)
