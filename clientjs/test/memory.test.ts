// What is learned of the network outlives the page, and whatever the store does harms no session.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, type Options } from '../src/index.js'
import { FakeNet, opened } from './fakeNet.js'

const key = 'holdfast https://host.test/holdfast'
let net: FakeNet

beforeEach(() => {
  vi.useFakeTimers()
  net = new FakeNet()
})
afterEach(() => vi.useRealTimers())

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)
const start = (options: Options = {}) =>
  connect('wss://host.test/holdfast?for=you', { fetch: net.fetch, WebSocket: net.WebSocket, ...options })

class FakeStore {
  readonly items = new Map<string, string>()
  getItem = vi.fn((name: string) => this.items.get(name) ?? null)
  setItem = vi.fn((name: string, text: string) => void this.items.set(name, text))
}

/** Lets a session find out that long polling is best here: no WebSocket opens. */
async function learn(options: Options): Promise<void> {
  const session = start({ transports: ['websocket', 'longpoll'], ...options })
  await pass(300)
  net.socket.drop()
  await pass()
  const open = net.requests.at(-1)!
  open.answer('@1 0\n' + opened(2, { sel: { u: 1, att: 2 } }))
  await pass(50)
  net.requests
    .find((r) => r.kind === 'up')!
    .answer('@1 0\n!reply {"recv":0,"sent":0,"sel":{"u":1,"att":2}}\n!pong {"i":1}\n')
  await pass(12_000)
  session.close()
  await pass(11_000)
  net = new FakeNet()
}

describe('a store of the application', () => {
  test('is read once, and written when something is learned', async () => {
    const storage = new FakeStore()
    await learn({ memory: storage })
    expect(storage.getItem.mock.calls).toEqual([[key]])
    const [version, since, best, facts] = JSON.parse(storage.items.get(key)!) as [
      number,
      number,
      string,
      Record<string, number[]>,
    ]
    expect([version, best]).toEqual([1, 'longpoll'])
    expect(Date.now() - since).toBeLessThan(30_000)
    expect(facts['websocket']![1]).toBe(1)
    expect(storage.items.size).toBe(1)
    expect(JSON.stringify([...storage.items])).not.toMatch(/for=you|r1r1|AAAA/)
  })

  test('tells the next session what to begin with', async () => {
    const storage = new FakeStore()
    await learn({ memory: storage })
    start({ memory: storage })
    await pass()
    expect(net.sockets).toHaveLength(0)
    expect(net.requests.map((r) => r.kind)).toEqual(['open'])
    // It excludes nothing: when that does not open the others follow in their order, the WebSocket
    // too, whose rest is over.
    await pass(300)
    expect(net.requests.map((r) => r.kind)).toEqual(['open'])
    expect(net.sockets).toHaveLength(1)
  })

  test.each([
    [
      'throws',
      {
        getItem: () => {
          throw new DOMException('denied', 'SecurityError')
        },
        setItem: () => {
          throw new DOMException('full', 'QuotaExceededError')
        },
      },
    ],
    ['holds no JSON', { getItem: () => '{', setItem: () => {} }],
    ['holds something else', { getItem: () => '[1,2,3,{"websocket":[[]]},5]', setItem: () => {} }],
    ['holds null', { getItem: () => 'null', setItem: () => {} }],
  ])('that %s harms no session', async (_, memory) => {
    await learn({ memory })
    start({ memory })
    await pass()
    expect(net.sockets).toHaveLength(1)
  })
})

describe('the page’s own store', () => {
  test('is used in a page', async () => {
    const storage = new FakeStore()
    vi.stubGlobal('localStorage', storage)
    await learn({}) // Node is no page
    expect(storage.getItem).not.toHaveBeenCalled()
    vi.stubGlobal('document', { hidden: false })
    await learn({})
    expect([...storage.items.keys()]).toEqual([key])
    start()
    await pass()
    expect(net.requests.map((r) => r.kind)).toEqual(['open'])
  })

  test('may be refused to it, or not be wanted', async () => {
    vi.stubGlobal('document', { hidden: false })
    const get = vi.fn(() => {
      throw new DOMException('denied', 'SecurityError')
    })
    Object.defineProperty(globalThis, 'localStorage', { get, configurable: true })
    try {
      await learn({ memory: false })
      expect(get).not.toHaveBeenCalled()
      await learn({})
      expect(get).toHaveBeenCalled()
    } finally {
      Reflect.deleteProperty(globalThis, 'localStorage')
    }
  })
})
