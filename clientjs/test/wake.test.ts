// What the platform tells a session: a page shown again, a network that comes and goes, timers that
// did not run.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, type Message, type Options, type Session, type Trace } from '../src/index.js'
import { FakeNet, opened } from './fakeNet.js'

let net: FakeNet
let page: EventTarget & { hidden: boolean }
let listening: Map<string, number>

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  net = new FakeNet()
  const target = new EventTarget()
  page = Object.assign(target, { hidden: false })
  listening = new Map()
  for (const [how, one] of [['addEventListener', 1], ['removeEventListener', -1]] as const)
    vi.stubGlobal(how, (type: string, listener: EventListener, capture: boolean) => {
      listening.set(type, (listening.get(type) ?? 0) + one)
      target[how](type, listener, capture)
    })
  vi.stubGlobal('document', page)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

/** The time goes on and no timer runs, as in a page that is frozen. */
const freeze = (ms: number) => vi.setSystemTime(Date.now() + ms)

const fire = (type: string) => page.dispatchEvent(new Event(type))

function start(options: Options = {}): Session & { traces: Trace[]; got: Message[] } {
  const session = connect('https://host.test/holdfast', { fetch: net.fetch, WebSocket: net.WebSocket, ...options })
  const traces: Trace[] = []
  const got: Message[] = []
  session.on('trace', (t) => traces.push(t))
  session.on('message', (m) => got.push(m))
  return Object.assign(session, { traces, got })
}

/** A session that a WebSocket carries, validated. */
async function open(options: Options = {}): Promise<ReturnType<typeof start>> {
  const session = start(options)
  await pass()
  net.socket.open()
  net.socket.receive('@1 0\n' + opened(1))
  await pass(20)
  net.socket.receive('@1 0\n!pong {"i":1}\n')
  await pass(11_000)
  net.socket.sent.length = 0
  return session
}

const carriers = () => net.sockets.length + net.requests.length

describe('a page that is shown again', () => {
  test.each(['pageshow', 'visibilitychange'])('%s: a zombie is found within 3 s, and nothing is lost', async (type) => {
    const session = await open()
    const zombie = net.socket
    session.send('before')
    await pass()
    freeze(10 * 60_000)
    fire(type)
    await pass()
    expect(zombie.text).toBe('@1 0\ntbefore\n@2 0\n!ping {"i":2}\n')
    expect(carriers()).toBe(1)
    const woke = Date.now()
    while (carriers() === 1 && Date.now() < woke + 10_000) await pass(10)
    expect(Date.now() - woke).toBeLessThanOrEqual(3000)
    net.socket.open()
    await pass()
    net.socket.receive('@1 0\n' + opened(2, { sel: { u: 1, att: 1 } }))
    await pass()
    const sent = net.socket.text
    expect(sent).toContain('!use {"u":2,"att":2,')
    net.socket.receive('@1 0\n!reply {"recv":0,"sent":0,"sel":{"u":2,"att":2}}\ntdown\n')
    await pass()
    expect(net.socket.text).toContain('\ntbefore\n')
    net.socket.receive('@2 1\n')
    await pass()
    expect(session.buffered).toBe(0)
    expect(session.got.map((m) => m.data)).toEqual(['down'])
    expect(session.traces.slice(-2).map((t) => t.what)).toEqual(['opened', 'selected'])
  })

  test('a path that lives is kept: its pong and what waited unread are heard', async () => {
    const session = await open()
    freeze(10 * 60_000)
    fire('visibilitychange')
    net.socket.receive('@1 0\ntwaited\n')
    net.socket.receive('@2 0\n!pong {"i":2}\n')
    await pass(4000)
    expect(carriers()).toBe(1)
    expect(session.got.map((m) => m.data)).toEqual(['waited'])
    expect(session.transport).toBe('websocket')
  })

  test('a page that is hidden does nothing', async () => {
    await open()
    freeze(3000)
    page.hidden = true
    fire('visibilitychange')
    await pass()
    expect(net.socket.text).toBe('')
  })

  test('a page that was only now loaded does nothing', async () => {
    start()
    await pass(100)
    page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }))
    await pass(100)
    expect(carriers()).toBe(1)
  })

  test('asked again and again, a dead path is still found', async () => {
    await open()
    freeze(10 * 60_000)
    for (let i = 0; i < 3; i++) {
      fire('visibilitychange')
      await pass(1000)
    }
    expect(carriers()).toBeGreaterThan(1)
  })

  test('timers that were frozen and run late are as good as an event', async () => {
    await open()
    const zombie = net.socket
    freeze(10 * 60_000)
    const woke = Date.now()
    while (carriers() === 1 && Date.now() < woke + 60_000) await pass(10)
    expect(zombie.text).toContain('!ping')
    // The clock of fake timers is behind by as long as the page was frozen, so the timer of the
    // next deadline still has to run.
    expect(Date.now() - woke).toBeLessThanOrEqual(40_000)
  })
})

describe('the network', () => {
  test('is tried at once when it is back, whatever the back-off', async () => {
    start({ transports: ['websocket'] })
    for (let i = 0; i < 8; i++) {
      await pass(20_000)
      net.socket.drop()
    }
    await pass()
    const before = net.sockets.length
    fire('online')
    await pass()
    expect(net.sockets).toHaveLength(before + 1)
  })

  test.each([
    ['is blamed', 'online', 0],
    ['is not blamed if there was no network', 'offline', 1],
  ])('a transport that did not open when another did %s', async (_, platform, more) => {
    const session = await open({ transports: ['websocket', 'longpoll'] })
    vi.stubGlobal('navigator', { onLine: platform === 'online' })
    fire(platform)
    await pass(6000)
    net.socket.drop()
    await pass()
    net.socket.drop()
    await pass(1000)
    const attempts = net.sockets.length
    net.requests.at(-1)!.answer('@1 0\n' + opened(3, { sel: { u: 3, att: 3 } }))
    await pass(1000)
    expect(session.transport).toBe('longpoll')
    expect(net.sockets).toHaveLength(attempts + more)
  })

  test('is believed to be away from the start if the platform says so', async () => {
    vi.stubGlobal('navigator', { onLine: false })
    start({ transports: ['websocket', 'longpoll'] })
    await pass()
    expect(net.sockets).toHaveLength(1) // the platform may be wrong
  })
})

test('listeners are gone when the session ends, and there are none in Node', async () => {
  const session = await open()
  const types = ['online', 'offline', 'visibilitychange', 'pageshow', 'pagehide']
  expect([...listening.keys()].sort()).toEqual([...types].sort())
  session.close()
  await pass(11_000)
  expect(session.state).toBe('closed')
  expect([...listening.values()]).toEqual(types.map(() => 0))
  vi.unstubAllGlobals()
  expect(() => start({ transports: ['longpoll'] }).close()).not.toThrow()
})

test('credentials that could not be had are asked for at once when the network is back', async () => {
  const auth = vi.fn(() => Promise.reject(Error('no network')))
  const handlers: Record<string, (event: object) => void> = {}
  vi.stubGlobal('addEventListener', (type: string, handler: () => void) => (handlers[type] = handler))
  start({ auth })
  await pass(60e3)
  const asked = auth.mock.calls.length
  handlers['online']!({ type: 'online' })
  await pass()
  expect(auth).toHaveBeenCalledTimes(asked + 1)
})

describe('a page that goes', () => {
  const beacons: [string, string][] = []
  beforeEach(() => {
    beacons.length = 0
    vi.stubGlobal('navigator', { sendBeacon: (...args: [string, string]) => beacons.push(args) })
  })
  const hide = (persisted: boolean) => page.dispatchEvent(Object.assign(new Event('pagehide'), { persisted }))

  test('says so, with everything that may not have arrived', async () => {
    const session = await open({ transports: ['websocket'] })
    session.send('a')
    session.send(new Uint8Array([1]))
    await pass()
    session.send('c')
    hide(false)
    expect(beacons).toHaveLength(1)
    expect(beacons[0]![0]).toBe('https://host.test/holdfast')
    expect(beacons[0]![1]).toMatch(
      /^holdfast\/1 up [\w-]{16}\n@1 0\n!up \{"key":"[\w-]{43}","run":"r1r1r1r1r1r1r1r1","att":1\}\n/,
    )
    expect(beacons[0]![1]).toMatch(/\}\n(?:![^\n]*\n)*ta\nbAQ==\ntc\n!close \{"code":4100,"reason":"1001"\}\n\.\n$/)
    expect(session.state).toBe('closing')
  })

  test('says nothing if it may come back, or if the session goes on without it', async () => {
    const session = await open({ transports: ['websocket'] })
    hide(true)
    expect(session.state).toBe('open')
    const stored = await open({ transports: ['websocket'], store: { name: 'a', _start() {}, _keep() {} } as never })
    hide(false)
    expect(stored.state).toBe('open')
    expect(session.state).toBe('closing')
    expect(beacons).toHaveLength(1)
  })

  test('says nothing to a server that knows nothing', async () => {
    const session = start({})
    await pass()
    hide(false)
    await pass()
    expect(beacons).toEqual([])
    expect(session.state).toBe('closed')
  })
})
