import { IDBFactory as MemoryIDB, IDBKeyRange } from 'fake-indexeddb'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { End, Message } from '../src/index.js'
import { share, type SharedSession, type ShareOptions } from '../src/tabs.js'
import { databaseOf, FakeChannels, FakeLocks, Life, stubGlobals } from './fakePage.js'
import { FakeServer, ServerSession } from './fakeServer.js'

const url = 'https://host.test/holdfast'
let locks: FakeLocks
let channels: FakeChannels
let database: IDBFactory
let server: FakeServer

beforeEach(() => {
  vi.useFakeTimers()
  locks = new FakeLocks()
  channels = new FakeChannels()
  database = new MemoryIDB()
  server = new FakeServer()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

class Tab {
  readonly life = new Life()
  readonly session: SharedSession
  readonly messages: Message[] = []
  readonly renewals: End[] = []
  readonly ends: End[] = []
  readonly events: unknown[] = []

  constructor({
    listen = true,
    dieAt = Infinity,
    fail,
    ...options
  }: ShareOptions & { listen?: boolean; dieAt?: number; fail?: () => boolean } = {}) {
    const { life } = this
    life.dieAt = dieAt
    stubGlobals({
      navigator: { locks: locks.of(life) },
      BroadcastChannel: channels.of(life),
      indexedDB: databaseOf(life, database, fail),
      IDBKeyRange,
    })
    this.session = share(url, { WebSocket: server.socketFor(life), transports: ['websocket'], ...options })
    if (listen) this.listen()
    this.session.on('renew', (end) => life.dead || this.renewals.push(end))
    this.session.on('close', (end) => life.dead || this.ends.push(end))
    for (const type of ['open', 'transport', 'drain'] as const)
      this.session.on(type, (event) => life.dead || this.events.push([type, event]))
  }

  listen(): void {
    this.session.on('message', (m) => this.life.dead || this.messages.push(m))
  }

  get got(): unknown[] {
    return this.messages.map((m) => m.data)
  }
}

const only = (): ServerSession => {
  expect(server.sessions.size).toBe(1)
  return [...server.sessions.values()][0]!
}

describe('a tab that leads and is frozen', () => {
  test('is replaced within 4 s, and harms nothing when it wakes', async () => {
    const first = new Tab()
    await pass(100)
    const second = new Tab()
    await pass(5000)
    expect([first, second].map((t) => t.session.leads)).toEqual([true, false])
    first.life.frozen = true
    void second.session.send('while it is frozen')
    await pass(4500)
    expect(second.session.leads).toBe(true)
    expect(only().up).toEqual(['while it is frozen'])
    only().send('answer')
    await pass(500)
    expect(second.got).toEqual(['answer'])
    void second.session.send('b')
    first.life.thaw()
    await pass(100)
    expect([first, second].map((t) => t.session.leads)).toEqual([false, true])
    void first.session.send('c')
    await pass(5000)
    only().send('again')
    await pass(500)
    expect(only().up).toEqual(['while it is frozen', 'b', 'c'])
    for (const tab of [first, second]) expect(tab.got).toEqual(['answer', 'again'])
    expect([first, second].map((t) => t.session.leads)).toEqual([false, true])
    expect(server.complaints).toEqual([])
    second.life.die()
    await pass(1000)
    expect(first.session.leads).toBe(true)
  })

  test('gives way at once where the platform says so', async () => {
    const page = new EventTarget()
    vi.stubGlobal('document', page)
    const first = new Tab()
    await pass(100)
    vi.stubGlobal('document', undefined)
    const second = new Tab()
    await pass(100)
    page.dispatchEvent(new Event('freeze'))
    await pass(100)
    expect([first, second].map((t) => t.session.leads)).toEqual([false, true])
    // Signals still come, and it must not begin a transaction that it could not end.
    const before = first.life.steps
    void second.session.send('a')
    await pass(10e3)
    only().send('b')
    await pass(500)
    expect(first.got).toEqual([])
    expect(only().up).toEqual(['a'])
    expect(first.life.steps - before).toBeLessThan(30)
    page.dispatchEvent(new Event('resume'))
    await pass(500)
    expect(first.got).toEqual(['b'])
    second.session.leave()
    await pass(100)
    expect(first.session.leads).toBe(true)
  })

  test('is not replaced while it answers', async () => {
    const tabs = [new Tab()]
    await pass(100)
    for (let i = 0; i < 4; i++) tabs.push(new Tab())
    await pass(120e3)
    expect(tabs.map((t) => t.session.leads)).toEqual([true, false, false, false, false])
    for (const tab of tabs) tab.session.leave()
    await pass(100)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('tabs', () => {
  test('listeners may stop, start again, be there twice, and let the tab leave in an event', async () => {
    const tab = new Tab({ listen: false })
    const seen: unknown[] = []
    const wait = () => {
      const stop = tab.session.on('message', ({ data }) => {
        stop()
        if (seen.push(data) < 9) wait()
      })
    }
    wait()
    let calls = 0
    const shared = () => calls++
    tab.session.on('message', shared)
    tab.session.on('message', shared)()
    tab.session.on('message', ({ data }) => data === 'c' && tab.session.leave())
    await pass(100)
    for (const text of 'abcd') only().send(text)
    await pass(500)
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(calls).toBe(3)
  })

  test('share one session: each is given every message, any may send', async () => {
    const tabs = [new Tab()]
    await pass(100)
    tabs.push(new Tab(), new Tab())
    await pass(100)
    expect(tabs.map((t) => t.session.leads)).toEqual([true, false, false])
    expect(tabs.map((t) => t.session.state)).toEqual(['open', 'open', 'open'])
    expect(new Set(tabs.map((t) => t.session.id))).toEqual(new Set([`id-${only().run}`]))
    const numbers = tabs.map((t, i) => t.session.send(`from ${i}`))
    await pass(100)
    expect((await Promise.all(numbers)).sort()).toEqual([1, 2, 3])
    expect([...only().up].sort()).toEqual(['from 0', 'from 1', 'from 2'])
    only().send('a')
    only().send('b')
    await pass(200)
    for (const tab of tabs) expect(tab.got).toEqual(['a', 'b'])
    expect(only().acked).toBe(2)
    expect(tabs[2]!.session.buffered).toBe(0)
    await Promise.all([tabs[1]!.session.drained(), pass(50)])
    expect(server.complaints).toEqual([])
    expect(tabs[1]!.events).toContainEqual(['transport', { transport: 'websocket' }])
  })

  test('a tab that leads and is closed hands over, and nothing is lost', async () => {
    const all = new Map<Tab, number>()
    const tabs = [new Tab(), new Tab(), new Tab()]
    const sent: string[] = []
    await pass(100)
    let down = 0
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 10; i++) {
        for (const [k, tab] of tabs.entries()) {
          const text = `${round} ${i} ${k}`
          void tab.session.send(text).then(
            () => tab.life.dead || sent.push(text),
            () => {},
          )
        }
        only().send(`down ${++down}`)
        await pass(3)
      }
      const leader = tabs.findIndex((t) => t.session.leads)
      const [gone] = tabs.splice(leader, 1)
      if (round % 2) gone!.session.leave()
      else gone!.life.die()
      const joined = new Tab()
      tabs.push(joined)
      all.set(joined, down)
      await pass(100)
    }
    await pass(2000)
    expect(
      only()
        .up.filter((text) => sent.includes(text))
        .sort(),
    ).toEqual([...sent].sort())
    expect(new Set(only().up).size).toBe(only().up.length)
    expect(sent.length).toBeGreaterThan(100)
    for (const tab of tabs) {
      const numbers = tab.messages.map((m) => m.number)
      const first = numbers[0] ?? down + 1
      expect(numbers).toEqual(Array.from({ length: down - first + 1 }, (_, i) => first + i))
      expect(first).toBeLessThanOrEqual((all.get(tab) ?? 0) + 1)
    }
    expect(only().acked).toBe(down)
    expect(server.complaints).toEqual([])
  })

  test('messages wait until a tab listens, and the next tab goes on where the last one stopped', async () => {
    const first = new Tab({ listen: false })
    await pass(100)
    only().send('a')
    await pass(500)
    expect(only().acked).toBe(0)
    first.listen()
    await pass(300)
    expect(first.got).toEqual(['a'])
    expect(only().acked).toBe(1)
    first.life.die()
    only().send('b')
    await pass(100)
    const next = new Tab()
    await pass(300)
    expect(next.got).toEqual(['b'])
    expect(only().acked).toBe(2)
  })

  test('can be iterated', async () => {
    const tab = new Tab({ listen: false })
    const got: unknown[] = []
    void (async () => {
      for await (const { data } of tab.session) got.push(data)
      got.push('end')
    })()
    await pass(100)
    only().send('a')
    await pass(100)
    only().send('b')
    await pass(100)
    expect(got).toEqual(['a', 'b'])
    tab.session.close()
    await pass(100)
    expect(got).toEqual(['a', 'b', 'end'])
  })

  test('close ends it for all, after what was sent, and the next tab begins another', async () => {
    const tabs = [new Tab(), new Tab()]
    await pass(100)
    void tabs[1]!.session.send('last')
    tabs[1]!.session.close(4111, 'enough')
    const late = expect(tabs[1]!.session.send('too late')).rejects.toThrow('closed')
    await pass(300)
    await late
    for (const { ends, session } of tabs) {
      expect(ends).toMatchObject([{ code: 4111, reason: 'enough', notDelivered: [], unknown: [] }])
      expect(session.state).toBe('closed')
    }
    expect(only().up).toEqual(['last', 'close {"code":4111,"reason":"enough"}'])
    const next = new Tab()
    await pass(300)
    expect(next.session.state).toBe('open')
    expect(server.sessions.size).toBe(2)
    expect(await Promise.race([next.session.send('new'), pass(100)])).toBe(1)
  })

  test('a session that is over is renewed for all, with the fates', async () => {
    const tabs = [new Tab(), new Tab()]
    await pass(100)
    await Promise.all([tabs[1]!.session.send('taken'), pass(100)])
    const old = only()
    server.delay = 60_000
    void tabs[1]!.session.send('lost')
    await pass(20)
    server.restart()
    server.delay = 5
    await pass(8000)
    for (const { renewals, session } of tabs) {
      expect(renewals).toMatchObject([{ code: 4204, session: `id-${old.run}`, delivered: 1, unknown: [2] }])
      expect(session.state).toBe('open')
    }
    await Promise.all([tabs[1]!.session.send('again'), pass(200)])
    expect(only().up).toEqual(['again'])
  })

  test('what is no message is refused, and so is one beyond the bounds', async () => {
    const tab = new Tab({ buffer: 2 << 20 })
    await pass(100)
    const refused = async (data: unknown) => {
      const outcome = tab.session.send(data as string).catch((error: unknown) => error)
      await pass(50)
      return outcome
    }
    expect(await refused('a\ud800')).toBeInstanceOf(TypeError)
    expect(await refused('x'.repeat((1 << 20) + 1))).toBeInstanceOf(RangeError)
    server.delay = 60_000
    const big = 'x'.repeat(1 << 20)
    expect(await refused(big)).toBeGreaterThan(0)
    expect(await refused(big)).toBeInstanceOf(RangeError)
    expect(() => tab.session.close(4200)).toThrow(RangeError)
  })

  test('where the platform lacks what sharing needs, each has a session of its own', async () => {
    const tabs = [1, 2].map(() => {
      const life = new Life()
      stubGlobals({ navigator: {}, BroadcastChannel: channels.of(life), indexedDB: databaseOf(life, database) })
      const session = share(url, { WebSocket: server.socketFor(life), transports: ['websocket'] })
      const got: unknown[] = []
      session.on('message', ({ data }) => got.push(data))
      return { session, got }
    })
    await pass(100)
    expect(server.sessions.size).toBe(2)
    const numbers = Promise.all(tabs.map((t) => t.session.send('a')))
    await pass(100)
    expect(await numbers).toEqual([1, 1])
    for (const s of server.sessions.values()) {
      expect(s.up).toEqual(['a'])
      s.send('b')
    }
    await pass(200)
    for (const { session, got } of tabs) {
      expect(got).toEqual(['b'])
      await session.drained()
      expect([session.leads, session.state, session.transport, session.buffered]).toEqual([
        true,
        'open',
        'websocket',
        0,
      ])
    }
    tabs[0]!.session.close()
    await pass(100)
    expect(tabs[0]!.session.state).toBe('closed')
  })
})

// Whatever the tab that leads was about to do, it dies before it: reading or writing the journal,
// sending, hearing.
test('a leader that is killed at any step loses, doubles and reuses nothing', async () => {
  let kills = 0
  for (let dieAt = 0; ; dieAt += 3) {
    locks = new FakeLocks()
    channels = new FakeChannels()
    database = new MemoryIDB()
    server = new FakeServer()
    const what = `killed before step ${dieAt}`
    const leader = new Tab({ dieAt })
    const other = new Tab()
    const sent: string[] = []
    let n = 0
    for (let i = 0; i < 5; i++) {
      for (const tab of [leader, other]) {
        const text = `up ${++n}`
        tab.session.send(text).then(
          () => tab.life.dead || sent.push(text),
          () => {},
        )
      }
      await pass(20)
      const s = [...server.sessions.values()][0]
      if (s && s.down.length < 4) s.send(`down ${s.down.length + 1}`)
    }
    await pass(300)
    const killed = leader.life.dead
    kills += +killed
    expect(server.sessions.size, what).toBe(1)
    expect(server.complaints, what).toEqual([])
    const s = only()
    expect(new Set(s.up).size, what).toBe(s.up.length)
    expect(
      s.up.filter((text) => sent.includes(text)),
      what,
    ).toHaveLength(sent.length)
    expect(sent.length, what).toBeGreaterThanOrEqual(5)
    // Those of one tab keep their order.
    const evens = s.up.map((text) => +text.slice(3)).filter((k) => k % 2 === 0)
    expect(evens, what).toEqual([2, 4, 6, 8, 10])
    // The other tab has listened from the beginning.
    expect(other.got, what).toEqual(s.down)
    expect(other.session.leads, what).toBe(killed)
    expect([...other.ends, ...other.renewals], what).toEqual([])
    other.life.die()
    if (!killed) {
      expect(leader.got).toEqual(s.down)
      break
    }
  }
  expect(kills).toBeGreaterThan(30)
}, 120_000)

describe('bounds', () => {
  test('a tab that takes nothing is left behind when the others have waited long enough', async () => {
    const [tab, slow] = [new Tab(), new Tab({ listen: false })]
    // It iterates, and stops at the first message.
    void slow.session[Symbol.asyncIterator]().next()
    await pass(200)
    for (let i = 0; i < 90; i++) {
      only().send('x'.repeat(60_000))
      await pass(20)
    }
    await pass(2000)
    expect(tab.messages.length).toBeLessThan(90)
    expect(slow.ends).toEqual([])
    await pass(40_000)
    expect(slow.ends).toMatchObject([{ code: 4203 }])
    expect(tab.messages).toHaveLength(90)
    expect(only().acked).toBe(90)
  })

  test('a leader whose journal fails ends the session for all, rather than go on without', async () => {
    let broken = false
    const tabs = [new Tab({ fail: () => broken }), new Tab()]
    await pass(200)
    broken = true
    only().send('a')
    await pass(200)
    for (const { ends } of tabs) expect(ends).toMatchObject([{ code: 4202 }])
    expect(only().acked).toBe(0)
  })
})
