import { describe, expect, test, vi } from 'vitest'
import { AuthError, connect, type Options } from '../src/index.js'
import { opened } from './fakeNet.js'
import { start, listen, net, open, pass, url } from './play.js'

describe('connecting', () => {
  test('connect returns at once, and what was sent before it is open rides in the open', async () => {
    const session = start()
    expect(session.state).toBe('connecting')
    expect(session.transport).toBeUndefined()
    expect(session.id).toBeUndefined()
    expect(session.send('hello')).toBe(1)
    expect(session.send(new Uint8Array([1, 2]))).toBe(2)
    expect(session.buffered).toBe(5 + 2 + 32)
    const got = listen(session)
    await pass()
    expect(net.socket.url).toBe('wss://host.test/holdfast')
    expect(net.socket.sent).toEqual([])
    net.socket.open()
    await pass()
    expect(net.socket.text).toMatch(
      new RegExp(
        '^@1 0\\n!open \\{"v":\\[1\\],"key":"[\\w-]{43}","att":1,"u":1,"recv":0,' +
          '"lim":\\{"maxBatch":65536\\}\\}\\nthello\\nbAQI=\\n$',
      ),
    )
    net.socket.receive('@1 2\n' + opened(1, { recv: 2 }))
    await pass()
    expect(session.state).toBe('open')
    expect(session.transport).toBe('websocket')
    expect(session.id).toBe('AAAAAAAAAAAAAAAAAAAAAA')
    expect(session.buffered).toBe(0)
    expect(got.other).toEqual([
      ['open', { id: 'AAAAAAAAAAAAAAAAAAAAAA' }],
      ['transport', { transport: 'websocket' }],
      ['drain', undefined],
    ])
    expect(got.traces.map((t) => [t.what, t.transport, t.attachment])).toEqual([
      ['attach', 'websocket', 1],
      ['opened', 'websocket', 1],
      ['selected', 'websocket', 1],
    ])
    expect(got.traces[0]!.time).toBe(Date.now())
  })

  test('a WebSocket that never opens costs a quarter of a second', async () => {
    const session = start()
    session.send('hello')
    await pass(249)
    expect(net.requests).toEqual([])
    await pass(1)
    expect(net.requests.map((r) => r.kind)).toEqual(['stream'])
    await pass(250)
    expect(net.requests.map((r) => r.kind)).toEqual(['stream', 'open'])
    expect(net.requests[1]!.batch).toContain('"u":1')
    expect(net.requests[1]!.batch).toMatch(/\nthello\n$/)
    net.requests[1]!.answer('@1 1\n' + opened(3, { recv: 1 }))
    await pass()
    expect(session.transport).toBe('longpoll')
    expect(session.buffered).toBe(0)
    expect(net.requests.map((r) => r.kind)).toEqual(['stream', 'open', 'up', 'poll'])
  })

  test('a WebSocket that throws is a transport that failed', async () => {
    const session = start({
      WebSocket: class {
        constructor() {
          throw new DOMException('insecure', 'SecurityError')
        }
      } as unknown as NonNullable<Options['WebSocket']>,
    })
    const got = listen(session)
    await pass()
    expect(net.requests.map((r) => r.kind)).toEqual(['stream'])
    expect(got.traces[1]).toMatchObject({ what: 'died', transport: 'websocket', reason: 'SecurityError: insecure' })
  })

  test('without a WebSocket the others are used, and only those asked for', async () => {
    vi.stubGlobal('WebSocket', undefined)
    connect(url, { fetch: net.fetch })
    await pass()
    expect(net.requests.map((r) => r.kind)).toEqual(['stream'])
    start({ transports: ['longpoll'] })
    await pass(5000)
    expect(net.sockets).toEqual([])
    expect(net.requests.slice(2).every((r) => r.kind === 'open')).toBe(true)
  })

  test('URLs may be of either scheme, or relative to the page', async () => {
    connect('ws://host.test/a?b=c', { fetch: net.fetch, WebSocket: net.WebSocket })
    await pass()
    expect(net.socket.url).toBe('ws://host.test/a?b=c')
    vi.stubGlobal('location', { href: 'https://page.test/dir/page' })
    connect('/holdfast', { fetch: net.fetch, WebSocket: net.WebSocket })
    await pass()
    expect(net.socket.url).toBe('wss://page.test/holdfast')
    vi.unstubAllGlobals()
    expect(() => connect('/holdfast')).toThrow(TypeError)
  })

  test('options reach the wire', async () => {
    start({ transports: ['longpoll'], credentials: 'include', maxBatch: 4096, meta: { room: 'é' }, auth: 'token' })
    await pass()
    expect(net.requests[0]!.init.credentials).toBe('include')
    expect(net.requests[0]!.batch).toContain('"lim":{"maxBatch":4096},"auth":"token","meta":{"room":"é"}}')
  })
})

describe('a strange server', () => {
  test('that opens another attachment than the one asked for is not believed', async () => {
    const session = start()
    await pass()
    net.socket.open()
    net.socket.receive('@1 0\n' + opened(2))
    await pass()
    expect(net.socket.closed).toBe(4303)
    expect(session.state).toBe('connecting')
  })

  test('that would be pinged all the time, or never, is held to the bounds', async () => {
    const session = await open({}, { ping: 0, hold: 2 ** 52 })
    const { traces } = listen(session)
    // A ping is due after 5 s, is asked for after 6, and missing after 8.
    await pass(7900)
    expect(traces.filter((t) => t.what === 'suspect')).toEqual([])
    await pass(200)
    expect(traces.filter((t) => t.what === 'suspect')).toHaveLength(1)
  })

  test('that says nonsense of when to come again is not asked at once', async () => {
    start({ transports: ['websocket'] })
    await pass()
    net.socket.open()
    net.socket.receive('@1 0\n!refused {"reason":"busy","retry":{}}\n')
    await pass(4900)
    expect(net.sockets).toHaveLength(1)
    await pass(3000)
    expect(net.sockets).toHaveLength(2)
  })

  test('that asks for a wait beyond all bounds does not make the client spin', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    start({ transports: ['websocket'] })
    await pass()
    net.socket.open()
    net.socket.receive(`@1 0\n!refused {"reason":"busy","retry":${Number.MAX_SAFE_INTEGER}}\n`)
    await pass()
    expect(Math.max(...set.mock.calls.map(([, delay]) => delay!))).toBeLessThan(2 ** 31)
    expect(Math.max(...set.mock.calls.map(([, delay]) => delay!))).toBeGreaterThan(60_000)
  })

  test('that asks much is answered apart from a line that has to pass where little does', async () => {
    const session = await open({}, { lim: { maxBatch: 2048, maxMessage: 1 << 20 } })
    net.socket.bufferedAmount = 1 << 20
    net.socket.receive('@1 0\n' + Array.from({ length: 40 }, (_, i) => `!ping {"i":${i + 10}}\n`).join(''))
    session.send('x'.repeat(1500))
    await pass()
    net.socket.bufferedAmount = 0
    await pass(50)
    expect(net.socket.sent.map((batch) => (batch as string).split('\n').length)).toEqual([42, 3])
    expect(net.socket.sent.every((batch) => batch.length <= 2048)).toBe(true)
  })
})

describe('auth', () => {
  test('a function is asked before the first open, and again when it was refused', async () => {
    const auth = vi.fn(() => Promise.resolve(`token${auth.mock.calls.length}`))
    start({ auth, transports: ['websocket'] })
    await pass()
    net.socket.open()
    await pass()
    expect(net.socket.text).toContain('"auth":"token1"')
    net.socket.receive('@1 0\n!refused {"reason":"auth"}\n')
    await pass(1000)
    expect(auth).toHaveBeenCalledTimes(2)
    expect(net.sockets).toHaveLength(2)
    net.socket.open()
    await pass()
    expect(net.socket.text).toContain('"auth":"token2"')
  })

  test('refused again, the session ends', async () => {
    const session = start({ auth: 'wrong', transports: ['websocket'] })
    const { ends } = listen(session)
    for (let i = 0; i < 2; i++) {
      await pass(1000)
      net.socket.open()
      net.socket.receive('@1 0\n!refused {"reason":"auth"}\n')
    }
    await pass()
    expect(ends).toMatchObject([{ code: 4301, reason: 'auth' }])
  })

  test('without credentials it is asked again, ever more slowly', async () => {
    let token: string | undefined
    const auth = vi.fn(async () => token ?? Promise.reject(Error('no token')))
    const session = start({ auth, transports: ['websocket'] })
    await pass(60e3)
    expect(auth.mock.calls.length).toBeGreaterThan(4)
    expect(auth.mock.calls.length).toBeLessThan(12)
    expect(net.sockets).toEqual([])
    expect(session.state).toBe('connecting')
    token = 'a'
    await pass(30e3)
    expect(net.sockets.length).toBeGreaterThan(0)
    session.close()
  })

  test.each([true, false])('that throws an AuthError ends the session (at once: %s)', async (sync) => {
    const session = start({
      auth: () => {
        const error = new AuthError('logged out')
        if (sync) throw error
        return Promise.reject(error)
      },
    })
    const { ends } = listen(session)
    await pass(1000)
    expect(ends).toMatchObject([{ code: 4301, reason: 'logged out' }])
    expect(net.sockets).toEqual([])
    expect(session.state).toBe('closed')
  })

  const refuse = async () => {
    net.socket.open()
    await pass()
    net.socket.receive('@1 0\n!refused {"reason":"auth"}\n')
    await pass()
  }

  test('refused once the network was away, it is asked anew', async () => {
    const auth = vi.fn(async () => 'token')
    const session = start({ auth, transports: ['websocket'] })
    await pass()
    await refuse()
    expect(auth).toHaveBeenCalledTimes(2)
    await pass()
    net.socket.drop() // every transport has failed: what it gave may have aged meanwhile
    await pass(10e3)
    await refuse()
    expect(auth).toHaveBeenCalledTimes(3)
    expect(session.state).toBe('connecting')
    await pass()
    await refuse()
    expect(session.state).toBe('closed')
  })
})
