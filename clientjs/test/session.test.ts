import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, type End, type Message, type Options, type Session, type Trace } from '../src/index.js'
import { FakeNet, opened } from './fakeNet.js'

const url = 'https://host.test/holdfast'
let net: FakeNet
let sessions: Session[]

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  net = new FakeNet()
  sessions = []
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

function begin(options: Options = {}): Session {
  const session = connect(url, { fetch: net.fetch, WebSocket: net.WebSocket, ...options })
  sessions.push(session)
  return session
}

/** A session that a WebSocket carries. */
async function open(options: Options = {}, fields: object = {}): Promise<Session> {
  const session = begin(options)
  await pass()
  net.socket.open()
  net.socket.say('@1 0\n' + opened(1, fields))
  await pass(20)
  net.socket.say('@1 0\n!pong {"i":1}\n')
  await pass()
  net.socket.sent.length = 0
  return session
}

/** Everything a session tells its listeners. */
function listen(session: Session) {
  const heard = { messages: [] as Message[], ends: [] as End[], renewals: [] as End[], traces: [] as Trace[], other: [] as unknown[] }
  session.on('message', (m) => heard.messages.push(m))
  session.on('close', (e) => heard.ends.push(e))
  session.on('renew', (e) => heard.renewals.push(e))
  session.on('trace', (t) => heard.traces.push(t))
  for (const type of ['open', 'transport', 'drain'] as const)
    session.on(type, (e: unknown) => heard.other.push([type, e]))
  return heard
}

describe('connecting', () => {
  test('connect returns at once, and what was sent before it is open rides in the open', async () => {
    const session = begin()
    expect(session.state).toBe('connecting')
    expect(session.transport).toBeUndefined()
    expect(session.id).toBeUndefined()
    expect(session.send('hello')).toBe(1)
    expect(session.send(new Uint8Array([1, 2]))).toBe(2)
    expect(session.buffered).toBe(5 + 2 + 32)
    const heard = listen(session)
    await pass()
    expect(net.socket.url).toBe('wss://host.test/holdfast')
    expect(net.socket.sent).toEqual([])
    net.socket.open()
    await pass()
    expect(net.socket.text).toMatch(/^@1 0\n!open \{"v":\[1\],"key":"[\w-]{43}","att":1,"u":1,"recv":0,"lim":\{"maxBatch":65536\}\}\nthello\nbAQI=\n$/)
    net.socket.say('@1 2\n' + opened(1, { recv: 2 }))
    await pass()
    expect(session.state).toBe('open')
    expect(session.transport).toBe('websocket')
    expect(session.id).toBe('AAAAAAAAAAAAAAAAAAAAAA')
    expect(session.buffered).toBe(0)
    expect(heard.other).toEqual([
      ['open', { id: 'AAAAAAAAAAAAAAAAAAAAAA' }],
      ['transport', { transport: 'websocket' }],
      ['drain', undefined],
    ])
    expect(heard.traces.map((t) => [t.what, t.transport, t.attachment])).toEqual([
      ['attach', 'websocket', 1],
      ['opened', 'websocket', 1],
      ['selected', 'websocket', 1],
    ])
    expect(heard.traces[0]!.time).toBe(Date.now())
  })

  test('a WebSocket that never opens costs a quarter of a second', async () => {
    const session = begin()
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
    const session = begin({
      WebSocket: class {
        constructor() {
          throw new DOMException('insecure', 'SecurityError')
        }
      } as unknown as NonNullable<Options['WebSocket']>,
    })
    const heard = listen(session)
    await pass()
    expect(net.requests.map((r) => r.kind)).toEqual(['stream'])
    expect(heard.traces[1]).toMatchObject({ what: 'died', transport: 'websocket', reason: 'SecurityError: insecure' })
  })

  test('without a WebSocket the others are used, and only those asked for', async () => {
    vi.stubGlobal('WebSocket', undefined)
    connect(url, { fetch: net.fetch })
    await pass()
    expect(net.requests.map((r) => r.kind)).toEqual(['stream'])
    begin({ transports: ['longpoll'] })
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
    begin({ transports: ['longpoll'], credentials: 'include', maxBatch: 4096, meta: { room: 'é' }, auth: 'token' })
    await pass()
    expect(net.requests[0]!.init.credentials).toBe('include')
    expect(net.requests[0]!.batch).toContain('"lim":{"maxBatch":4096},"auth":"token","meta":{"room":"é"}}')
  })
})

describe('messages', () => {
  test('are kept unacknowledged until somebody listens', async () => {
    const session = await open()
    net.socket.say('@1 0\nta\nbAQI=\n')
    await pass(1000)
    expect(net.socket.text).toBe('')
    const { messages } = listen(session)
    await pass(100)
    expect(messages).toEqual([
      { data: 'a', number: 1, session: session.id },
      { data: new Uint8Array([1, 2]), number: 2, session: session.id },
    ])
    expect(net.socket.text).toBe('@1 2\n')
  })

  test('can be iterated, each acknowledged when it was handed out', async () => {
    const session = await open()
    const got: unknown[] = []
    const loop = (async () => {
      for await (const { data } of session) {
        got.push(data)
        if (data === 'b') break
      }
    })()
    net.socket.say('@1 0\nta\ntb\ntc\n')
    await pass(100)
    await loop
    expect(got).toEqual(['a', 'b'])
    expect(net.socket.text).toBe('@1 2\n')
  })

  test('an iteration ends with the session', async () => {
    const session = await open()
    const all = (async () => {
      const got = []
      for await (const { data } of session) got.push(data)
      return got
    })()
    net.socket.say('@1 0\nta\n!close {"code":4100,"reason":"bye"}\n')
    await pass(200)
    expect(session.state).toBe('closing')
    net.socket.say('@3 0\n!closed {"code":4100,"reason":"bye","recv":0,"ack":2}\n')
    await pass()
    expect(await all).toEqual(['a'])
    expect(session.state).toBe('closed')
  })

  test('many in a row share a batch', async () => {
    const session = await open()
    for (let i = 1; i <= 100; i++) expect(session.send(`m${i}`)).toBe(i)
    await pass()
    expect(net.socket.sent).toHaveLength(1)
    expect(net.socket.text.split('\n')).toHaveLength(102)
  })

  test('wait while the platform holds too much', async () => {
    const session = await open()
    net.socket.bufferedAmount = 1 << 20
    session.send('later')
    await pass(200)
    expect(net.socket.text).toBe('')
    net.socket.bufferedAmount = 0
    await pass(50)
    expect(net.socket.text).toBe('@1 0\ntlater\n')
  })

  test('a large one is one number, that of its last line', async () => {
    const session = await open()
    expect(session.send('x'.repeat(4000))).toBe(3)
    expect(session.send('y')).toBe(4)
  })

  test('a listener that throws harms no other, and is reported', () => {
    const script = `
      import { connect } from ${JSON.stringify(new URL('../dist/holdfast.mjs', import.meta.url).href)}
      const session = connect('http://127.0.0.1:9/')
      session.on('close', () => { throw Error('of the listener') })
      session.on('close', (end) => console.log('heard', end.code))
      session.close()`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(stdout).toBe('heard 4100\n')
    expect(stderr).toContain('of the listener')
    expect(status).toBe(1)
  })

  test('a listener hears no more once it was stopped', async () => {
    const session = await open()
    const heard: unknown[] = []
    const stop = session.on('message', ({ data }) => heard.push(data))
    net.socket.say('@1 0\nta\n')
    await pass()
    stop()
    net.socket.say('@2 0\ntb\n')
    await pass()
    expect(heard).toEqual(['a'])
  })
})

describe('bounds', () => {
  test('send throws at the bound of the buffer, and goes on when there is room', async () => {
    const session = await open({ buffer: 100 })
    expect(session.send('x'.repeat(80))).toBe(1)
    expect(() => session.send('y')).toThrow(RangeError)
    await pass()
    net.socket.say('@1 1\n')
    await pass()
    expect(session.buffered).toBe(0)
    expect(session.send('y')).toBe(2)
    expect(session.buffered).toBe(17)
  })

  test('send throws for a message above what the server takes, in bytes', async () => {
    const session = await open({}, { lim: { maxBatch: 65536, maxMessage: 3000 } })
    expect(session.send('é'.repeat(1500))).toBe(2)
    expect(() => session.send('é'.repeat(1501))).toThrow(RangeError)
    expect(() => session.send(new Uint8Array(3001))).toThrow(RangeError)
  })

  test('send throws for text that is not well formed, and for what is no message', async () => {
    const session = await open()
    expect(() => session.send('a\ud800')).toThrow(TypeError)
    expect(() => session.send(5 as unknown as string)).toThrow(TypeError)
    expect(() => session.send(new ArrayBuffer(1) as unknown as Uint8Array)).toThrow(TypeError)
    expect(session.send('😀')).toBe(1)
  })
})

describe('a strange server', () => {
  test('that opens another attachment than the one asked for is not believed', async () => {
    const session = begin()
    await pass()
    net.socket.open()
    net.socket.say('@1 0\n' + opened(2))
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

  test('that asks for a wait beyond all bounds does not make the client spin', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    begin({ transports: ['websocket'] })
    await pass()
    net.socket.open()
    net.socket.say(`@1 0\n!refused {"reason":"busy","retry":${Number.MAX_SAFE_INTEGER}}\n`)
    await pass()
    expect(Math.max(...set.mock.calls.map(([, delay]) => delay!))).toBeLessThan(2 ** 31)
    expect(Math.max(...set.mock.calls.map(([, delay]) => delay!))).toBeGreaterThan(60_000)
  })

  test('that asks much is answered apart from a line that has to pass where little does', async () => {
    const session = await open({}, { lim: { maxBatch: 2048, maxMessage: 1 << 20 } })
    net.socket.bufferedAmount = 1 << 20
    net.socket.say('@1 0\n' + Array.from({ length: 40 }, (_, i) => `!ping {"i":${i + 10}}\n`).join(''))
    session.send('x'.repeat(1500))
    await pass()
    net.socket.bufferedAmount = 0
    await pass(50)
    expect(net.socket.sent.map((batch) => (batch as string).split('\n').length)).toEqual([42, 3])
    expect(net.socket.sent.every((batch) => batch.length <= 2048)).toBe(true)
  })
})

describe('drained', () => {
  test('resolves when all that was sent before has been taken', async () => {
    const session = await open()
    let done = 0
    await session.drained()
    session.send('a')
    void session.drained().then(() => done++)
    session.send('b')
    void session.drained().then(() => done++)
    await pass()
    expect(done).toBe(0)
    net.socket.say('@1 1\n')
    await pass()
    expect(done).toBe(1)
    expect(session.buffered).toBe(17)
    net.socket.say('@1 2\n')
    await pass()
    expect(done).toBe(2)
  })

  test('rejects when the session ends before that', async () => {
    const session = await open()
    session.send('a')
    const drained = expect(session.drained()).rejects.toThrow('4301 no')
    net.socket.say('@1 0\n!closed {"code":4301,"reason":"no","recv":0,"ack":0}\n')
    await pass()
    await drained
  })
})

describe('the end', () => {
  test('close delivers what was sent before, and tells its fate', async () => {
    const session = await open()
    const { ends } = listen(session)
    session.send('a')
    session.close(4111, 'enough')
    expect(session.state).toBe('closing')
    expect(() => session.send('b')).toThrow('closed')
    await pass()
    expect(net.socket.text).toBe('@1 0\nta\n!close {"code":4111,"reason":"enough"}\n')
    session.close() // once is enough
    net.socket.say('@1 2\n!closed {"code":4111,"reason":"enough","recv":2,"ack":0}\n')
    await pass()
    expect(session.state).toBe('closed')
    expect(ends).toEqual([
      { code: 4111, reason: 'enough', remote: true, session: session.id, delivered: 2, notDelivered: [], unknown: [] },
    ])
    expect(net.socket.closed).toBe(4111)
    await pass(60_000)
    expect(net.sockets).toHaveLength(1)
  })

  test('what an old connection still says is ignored', async () => {
    const session = await open()
    const heard = listen(session)
    const old = net.socket
    session.close()
    await pass()
    old.say('@1 1\n!closed {"code":4100,"reason":"","recv":1,"ack":0}\n')
    old.say('@1 0\ntlate\n')
    old.drop()
    await pass(60_000)
    expect(heard.messages).toEqual([])
    expect(heard.ends).toHaveLength(1)
    expect(net.sockets).toHaveLength(1)
  })

  test('codes of the application are 4100 to 4199', async () => {
    const session = await open()
    for (const code of [4099, 4200, NaN]) expect(() => session.close(code)).toThrow(RangeError)
    expect(() => session.close(4100, 'é'.repeat(65))).toThrow(RangeError)
    session.close(4199, 'é'.repeat(64))
    expect(session.state).toBe('closing')
  })

  test('a session that nobody heard of ends at once', async () => {
    const session = begin()
    const { ends } = listen(session)
    session.close()
    await pass()
    expect(ends).toMatchObject([{ code: 4100, session: '', delivered: 0, notDelivered: [], unknown: [] }])
    await pass(1000)
    expect(net.sockets.filter((s) => !s.closed)).toEqual([])
  })

  test('without a final word the fate is unknown', async () => {
    const session = await open()
    const { ends } = listen(session)
    session.send('a')
    session.send('x'.repeat(2000))
    await pass()
    net.socket.say('@1 1\n')
    session.close()
    await pass(10_000)
    expect(ends).toMatchObject([{ code: 4100, remote: false, delivered: 1, notDelivered: [], unknown: [3] }])
  })

  test('the close of the server comes after its messages', async () => {
    const session = await open()
    const order: string[] = []
    session.on('message', ({ data }) => order.push(String(data)))
    session.on('close', ({ code, remote }) => order.push(`close ${code} ${remote}`))
    net.socket.say('@1 0\nta\n!close {"code":4100,"reason":""}\n')
    await pass(200)
    expect(net.socket.text).toContain('@1 2\n')
    net.socket.say('@3 0\n!closed {"code":4100,"reason":"","recv":0,"ack":2}\n')
    await pass()
    expect(order).toEqual(['a', 'close 4100 true'])
  })
})

describe('renewal', () => {
  const over = '@1 1\n!closed {"code":4200,"reason":"drained","recv":1,"ack":0}\n'
  const keyOf = (n: number) => /"key":"([\w-]+)"/.exec(net.sockets[n]!.text)![1]

  test('a new session begins by itself, nothing is sent again, and the application learns the fates', async () => {
    const session = begin()
    const heard = listen(session)
    await pass()
    net.socket.open()
    await pass()
    net.socket.say('@1 0\n' + opened(1))
    await pass()
    session.send('a')
    session.send('b')
    await pass()
    net.socket.say(over)
    await pass()
    expect(heard.renewals).toEqual([
      { code: 4200, reason: 'drained', remote: true, session: 'AAAAAAAAAAAAAAAAAAAAAA', delivered: 1, notDelivered: [2], unknown: [] },
    ])
    expect(session.state).toBe('connecting')
    expect(session.send('c')).toBe(1)
    await pass(500)
    expect(net.sockets).toHaveLength(2)
    net.socket.open()
    await pass()
    expect(keyOf(1)).not.toBe(keyOf(0))
    expect(net.socket.text).toMatch(/\}\ntc\n$/)
    net.socket.say('@1 1\n' + opened(1, { id: 'B'.repeat(22), run: 'r2r2r2r2r2r2r2r2', recv: 1 }))
    await pass()
    expect(session.id).toBe('B'.repeat(22))
    expect(heard.ends).toEqual([])
    expect(heard.other.filter(([type]: any) => type === 'open')).toHaveLength(2)
  })

  test('messages of the old session that nobody has taken are still handed out', async () => {
    const session = await open()
    net.socket.say('@1 0\nta\n' + over.slice(over.indexOf('\n') + 1).replace('"recv":1', '"recv":0'))
    await pass()
    const got: Message[] = []
    session.on('message', (m) => got.push(m))
    await pass()
    expect(got).toMatchObject([{ data: 'a', session: 'AAAAAAAAAAAAAAAAAAAAAA' }])
  })

  test('renewals slow down while none lasts', async () => {
    begin()
    const begun: number[] = []
    for (let i = 0; i < 6; i++) {
      await vi.waitUntil(async () => (await pass(50), net.sockets.length > i), { timeout: 60_000, interval: 0 })
      begun.push(Date.now())
      net.socket.open()
      net.socket.say('@1 0\n' + opened(1))
      net.socket.say('@1 0\n!closed {"code":4203,"reason":"","recv":0,"ack":0}\n')
      await pass()
    }
    const waits = begun.slice(1).map((at, i) => at - begun[i]!)
    expect(waits.at(-1)).toBeGreaterThan(3000)
  })

  test('not when it is not wanted, and not for other codes', async () => {
    for (const [options, code] of [[{ renew: false }, 4200], [{}, 4301], [{}, 4100]] as const) {
      const session = await open(options)
      const { ends } = listen(session)
      const made = net.sockets.length
      net.socket.say(`@1 0\n!closed {"code":${code},"reason":"","recv":0,"ack":0}\n`)
      await pass(60_000)
      expect(ends).toMatchObject([{ code }])
      expect(net.sockets).toHaveLength(made)
    }
  })
})

describe('auth', () => {
  test('a function is asked before the first open, and again when it was refused', async () => {
    const auth = vi.fn(() => Promise.resolve(`token${auth.mock.calls.length}`))
    begin({ auth, transports: ['websocket'] })
    await pass()
    net.socket.open()
    await pass()
    expect(net.socket.text).toContain('"auth":"token1"')
    net.socket.say('@1 0\n!refused {"reason":"auth"}\n')
    await pass(1000)
    expect(auth).toHaveBeenCalledTimes(2)
    expect(net.sockets).toHaveLength(2)
    net.socket.open()
    await pass()
    expect(net.socket.text).toContain('"auth":"token2"')
  })

  test('refused again, the session ends', async () => {
    const session = begin({ auth: 'wrong', transports: ['websocket'] })
    const { ends } = listen(session)
    for (let i = 0; i < 2; i++) {
      await pass(1000)
      net.socket.open()
      net.socket.say('@1 0\n!refused {"reason":"auth"}\n')
    }
    await pass()
    expect(ends).toMatchObject([{ code: 4301, reason: 'auth' }])
  })

  test('without credentials there is no session', async () => {
    const session = begin({
      auth: () => {
        throw Error('no token')
      },
    })
    const { ends } = listen(session)
    await pass(1000)
    expect(ends).toMatchObject([{ code: 4301, reason: 'Error: no token' }])
    expect(net.sockets).toEqual([])
    expect(session.state).toBe('closed')
  })
})
