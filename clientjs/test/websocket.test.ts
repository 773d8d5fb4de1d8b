import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from '../src/websocket.js'
import { FakeNet, opened } from './fakeNet.js'

const url = 'ws://host.test/holdfast'
let net: FakeNet

beforeEach(() => {
  net = new FakeNet()
  WebSocket.options = { fetch: net.fetch, WebSocket: net.WebSocket }
})
afterEach(() => {
  WebSocket.options = {}
})

type Type = 'open' | 'message' | 'error' | 'close'

/** The next event of a type. */
const next = <T extends Event = Event>(socket: WebSocket, type: Type) =>
  new Promise<T>((resolve) => socket.addEventListener(type, (event) => resolve(event as never), { once: true }))

/** A socket whose session is open, with what the server would have to say for that. */
async function start(protocols?: string | string[], first = ''): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols)
  await vi.waitUntil(() => net.sockets.length)
  net.socket.open()
  await vi.waitUntil(() => net.socket.text)
  net.socket.receive('@1 0\n' + opened(1) + first)
  return socket
}

async function open(protocol?: string): Promise<WebSocket> {
  const socket = await start(protocol, protocol && `t${protocol}\n`)
  await next(socket, 'open')
  net.socket.sent.length = 0
  return socket
}

/** What a socket tells, as lines. */
function record(socket: WebSocket): string[] {
  const lines: string[] = []
  for (const type of ['open', 'message', 'error', 'close'] as const)
    socket.addEventListener(type, (event) => {
      const { data, code, reason, wasClean } = event as MessageEvent<string> & CloseEvent
      lines.push([type, socket.readyState, data, code, reason, wasClean].filter((v) => v !== undefined).join(' '))
    })
  return lines
}

const name = (act: () => unknown): string => {
  try {
    act()
    return 'nothing'
  } catch (error) {
    return error instanceof DOMException || error instanceof TypeError ? error.name : String(error)
  }
}

describe('constructor', () => {
  test('what is no URL or protocol is a SyntaxError', () => {
    expect(name(() => new (WebSocket as any)())).toBe('TypeError')
    expect(name(() => (WebSocket as any)(url))).toBe('TypeError')
    for (const bad of [
      '/relative', 'ftp://host/', 'mailto:a@b', 'ws://', 'ws://host/#', 'ws://host/#part', 'ws://a b/', 'about:blank',
    ])
      expect([bad, name(() => new WebSocket(bad))]).toEqual([bad, 'SyntaxError'])
    for (const bad of ['', ' ', 'a b', 'a,b', 'a/b', 'ä', '\u007f', '{}', ['a', 'a'], ['a', ''], [['a', 'b']]])
      expect([bad, name(() => new WebSocket(url, bad as string))]).toEqual([bad, 'SyntaxError'])
    for (const good of ['a', "!#$%&'*+-.^_`|~09azAZ", [], ['a', 'A'], undefined, null])
      expect([good, name(() => new WebSocket(url, good as string[]))]).toEqual([good, 'nothing'])
  })

  test.each([
    ['http://host.test/holdfast', 'ws://host.test/holdfast', '/holdfast', ''],
    ['https://HOST.test:443/holdfast/', 'wss://host.test/holdfast/', '/holdfast', ''],
    [
      'wss://host.test/holdfast/graph%20ql?a=/b', 'wss://host.test/holdfast/graph%20ql?a=/b', '/holdfast',
      'graph%20ql?a=/b',
    ],
    [
      'ws://host.test/api/holdfast/a/holdfast?x', 'ws://host.test/api/holdfast/a/holdfast?x', '/api/holdfast',
      'a/holdfast?x',
    ],
    ['ws://host.test/holdfast?x', 'ws://host.test/holdfast?x', '/holdfast', '?x'],
    ['ws://host.test/holdfaster/a?/holdfast', 'ws://host.test/holdfaster/a?/holdfast', '/holdfaster/a', '?/holdfast'],
    ['ws://holdfast', 'ws://holdfast/', '/', ''],
    ['ws://holdfast/a', 'ws://holdfast/a', '/a', ''],
  ])('%s', async (given, shown, endpoint, rest) => {
    const socket = new WebSocket(given, ['a', 'b'])
    expect(socket.url).toBe(shown)
    await vi.waitUntil(() => net.sockets.length)
    expect(new URL(net.socket.url).pathname).toBe(endpoint)
    net.socket.open()
    await vi.waitUntil(() => net.socket.text)
    expect(net.socket.text).toContain(`"meta":{"websocket":{"protocols":["a","b"],"url":"${rest}"}}`)
  })

  test('put in the place of the platform’s it does not dial itself', async () => {
    vi.resetModules()
    vi.stubGlobal('WebSocket', net.WebSocket)
    const own = await import('../src/websocket.js')
    vi.stubGlobal('WebSocket', own.WebSocket)
    new globalThis.WebSocket(url)
    await vi.waitUntil(() => net.sockets.length)
    expect(net.sockets).toHaveLength(1)
  })

  test('where the platform has none, the other transports serve', async () => {
    vi.resetModules()
    vi.stubGlobal('WebSocket', undefined)
    const own = await import('../src/websocket.js')
    vi.stubGlobal('WebSocket', own.WebSocket)
    own.WebSocket.options = { fetch: net.fetch }
    new own.WebSocket(url)
    await vi.waitUntil(() => net.requests.length)
    expect(net.requests[0]!.kind).toBe('stream')
  })
})

describe('opening', () => {
  test('without protocols it is open when the session is', async () => {
    const socket = new WebSocket(url)
    const lines = record(socket)
    await vi.waitUntil(() => net.sockets.length)
    net.socket.open()
    await vi.waitUntil(() => net.socket.text)
    expect(socket.readyState).toBe(0)
    net.socket.receive('@1 0\n' + opened(1))
    expect(lines).toEqual([])
    const event = await next(socket, 'open')
    expect([
      event.constructor, event.bubbles, event.cancelable, event.target === socket,
    ]).toEqual([Event, false, false, true])
    expect([lines, socket.protocol]).toEqual([['open 1'], ''])
  })

  test('with protocols the first message opens it', async () => {
    const socket = await start(['a', 'b'])
    const lines = record(socket)
    await new Promise(setImmediate)
    expect(socket.readyState).toBe(0)
    net.socket.receive('@1 0\ntb\nthello\n')
    await next(socket, 'message')
    expect([lines, socket.protocol]).toEqual([['open 1', 'message 1 hello'], 'b'])
  })

  test.each(['tc\n', 't\n', 'bYQ==\n'])('a first message %j that names none of them fails it', async (first) => {
    const socket = await start(['a', 'b'], first + 'ta\n')
    const lines = record(socket)
    await next(socket, 'close')
    expect([lines, socket.protocol]).toEqual([['error 3', 'close 3 1006  false'], ''])
    await vi.waitUntil(() => net.socket.text.includes('!close {"code":4100,"reason":"1006"}'))
  })

  test('a session that is refused, or ends before it is open, fails it', async () => {
    const socket = new WebSocket(url)
    const lines = record(socket)
    await vi.waitUntil(() => net.sockets.length)
    net.socket.open()
    await vi.waitUntil(() => net.socket.text)
    net.socket.receive('@1 0\n!refused {"reason":"origin"}\n')
    await next(socket, 'close')
    expect(lines).toEqual(['error 3', expect.stringMatching(/^close 3 1006 4306 .*false$/)])
    const other = await start(
      'a',
      '!close {"code":4100,"reason":"1000 "}\n!closed {"code":4100,"reason":"1000 ","recv":0,"ack":1}\n',
    )
    expect((await next<CloseEvent>(other, 'close')).code).toBe(1006)
  })
})

describe('messages', () => {
  test('texts, blobs and buffers', async () => {
    const socket = await open()
    net.socket.receive('@1 0\nthello\n')
    const event = await next<MessageEvent>(socket, 'message')
    expect(event).toBeInstanceOf(MessageEvent)
    expect([event.data, event.origin, event.lastEventId, event.source]).toEqual(['hello', 'ws://host.test', '', null])
    net.socket.receive('@2 0\nbAQID\n')
    const blob = (await next<MessageEvent<Blob>>(socket, 'message')).data
    expect(blob).toBeInstanceOf(Blob)
    expect(new Uint8Array(await blob.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]))
    socket.binaryType = 'arraybuffer'
    net.socket.receive('@3 0\nbAQID\n')
    const { data } = await next<MessageEvent<ArrayBuffer>>(socket, 'message')
    expect(data).toEqual(new Uint8Array([1, 2, 3]).buffer)
  })

  test('each comes in a task of its own', async () => {
    const socket = await open()
    const steps: string[] = []
    socket.onmessage = async ({ data }) => {
      steps.push(data)
      for (let i = 0; i < 10; i++) await undefined
      steps.push(`after ${data}`)
    }
    net.socket.receive('@1 0\nta\ntb\n')
    for (let i = 0; i < 100; i++) await undefined
    expect(steps).toEqual([])
    await next(socket, 'message')
    await next(socket, 'message')
    expect(steps).toEqual(['a', 'after a', 'b'])
  })

  test('none after close', async () => {
    const socket = await open()
    const lines = record(socket)
    socket.close()
    net.socket.receive('@1 0\nta\n')
    await vi.waitUntil(() => net.socket.text.includes('!close'))
    net.socket.receive('@2 1\n!closed {"code":4100,"reason":"1005 ","recv":1,"ack":1}\n')
    await next(socket, 'close')
    expect(lines).toEqual(['close 3 1005  true'])
  })
})

describe('send', () => {
  test('not before it is open', async () => {
    const socket = new WebSocket(url)
    expect(name(() => socket.send('a'))).toBe('InvalidStateError')
    expect(name(() => (socket as any).send())).toBe('TypeError')
    expect(socket.bufferedAmount).toBe(0)
  })

  test('everything in order, as it was when it was sent; bufferedAmount counts what is not acknowledged', async () => {
    const socket = await open()
    const bytes = new Uint8Array([0, 1, 2, 3])
    socket.send('é')
    expect(socket.bufferedAmount).toBe(2)
    socket.send(new Blob(['blob']))
    socket.send(bytes.subarray(1, 3))
    socket.send(bytes.buffer)
    socket.send(new DataView(bytes.buffer, 3))
    socket.send('\ud83c\udf88\ud800x')
    socket.send({ toString: () => 'object' } as unknown as string)
    expect(socket.bufferedAmount).toBe(2 + 4 + 2 + 4 + 1 + 4 + 3 + 1 + 6)
    bytes.fill(9)
    await vi.waitUntil(() => net.socket.text.includes('object'))
    const sent = net.socket.sent.map((batch) => (typeof batch === 'string' ? batch : new TextDecoder().decode(batch)))
    expect(sent.join('').replace(/@\d+ \d+\n/g, '|')).toBe(
      '|té\n|blob|\x01\x02|\x00\x01\x02\x03|\x03|t🎈\ufffdx\n|tobject\n',
    )
    net.socket.receive('@1 2\n')
    await vi.waitUntil(() => socket.bufferedAmount === 21)
    net.socket.receive('@1 7\n')
    await vi.waitUntil(() => socket.bufferedAmount === 0)
  })

  test('after close it only counts', async () => {
    const socket = await open()
    socket.send('ab')
    socket.close()
    socket.send('cde')
    expect(socket.bufferedAmount).toBe(5)
    await vi.waitUntil(() => net.socket.text.includes('!close'))
    expect(net.socket.text).toBe('@1 0\ntab\n!close {"code":4100,"reason":"1005 "}\n')
    net.socket.receive('@1 1\n')
    await vi.waitUntil(() => socket.bufferedAmount === 3)
    net.socket.receive('@1 2\n!closed {"code":4100,"reason":"1005 ","recv":2,"ack":0}\n')
    await next(socket, 'close')
    expect(socket.bufferedAmount).toBe(3)
    socket.send(new Uint8Array(7))
    expect(socket.bufferedAmount).toBe(10)
  })

  test('what is too large for the server ends it, and what comes after is not sent', async () => {
    const socket = await open()
    socket.send('a')
    socket.send('x'.repeat((1 << 20) + 1))
    socket.send('b')
    await vi.waitUntil(() => net.socket.text.includes('!close'))
    expect(net.socket.text).toBe('@1 0\nta\n!close {"code":4100,"reason":"1009"}\n')
    net.socket.receive('@1 2\n!closed {"code":4100,"reason":"1009","recv":2,"ack":0}\n')
    const { code, wasClean } = await next<CloseEvent>(socket, 'close')
    expect([code, wasClean]).toEqual([1009, true])
  })
})

describe('close', () => {
  test('its arguments are checked in every state', async () => {
    const socket = await open()
    for (const _ of ['open', 'closing']) {
      for (const code of [0, 999, 1001, 1005, 2999, 5000, NaN, null, 'x', 65536 + 1000])
        expect([code, name(() => socket.close(code as number))]).toEqual([code, 'InvalidAccessError'])
      expect(name(() => socket.close(1000, 'x'.repeat(124)))).toBe('SyntaxError')
      expect(name(() => socket.close(1000, 'é'.repeat(62)))).toBe('SyntaxError')
      socket.close(4999, 'é'.repeat(61))
      expect(socket.readyState).toBe(2)
    }
  })

  test.each([
    [[], '1005 ', 1005, ''],
    [[undefined], '1005 ', 1005, ''],
    [[1000], '1000 ', 1000, ''],
    [['3000.4', 'bye \ud800'], '3000 bye \ufffd', 3000, 'bye \ufffd'],
    [[4400, '12 3'], '4400 12 3', 4400, '12 3'],
  ])('close(%j) is told to the server', async (given, reason, code, shown) => {
    const socket = await open()
    ;(socket.close as (...given: unknown[]) => void)(...given)
    await vi.waitUntil(() => net.socket.text.includes('!close'))
    expect(net.socket.text).toContain(`!close ${JSON.stringify({ code: 4100, reason })}\n`)
    expect(socket.readyState).toBe(2)
    net.socket.receive(`@1 1\n!closed ${JSON.stringify({ code: 4100, reason, recv: 1, ack: 0 })}\n`)
    const event = await next<CloseEvent>(socket, 'close')
    expect([event.code, event.reason, event.wasClean, socket.readyState]).toEqual([code, shown, true, 3])
  })

  test('while it connects it fails', async () => {
    const socket = new WebSocket(url)
    const lines = record(socket)
    socket.close(3000, 'never mind')
    expect(socket.readyState).toBe(2)
    for (let i = 0; i < 100; i++) await undefined
    expect(lines).toEqual([])
    await next(socket, 'close')
    for (let i = 0; i < 20; i++) await new Promise(setImmediate)
    expect(lines).toEqual(['error 3', 'close 3 1006  false'])
  })

  test.each([
    [4100, '1000 done', 'close 3 1000 done true'],
    [4100, '4401 a\nb', 'close 3 4401 a\nb true'],
    [4100, '1005', 'close 3 1005  true'],
    [4100, '', 'close 3 1000  true'],
    [4101, 'kicked', 'close 3 1000 kicked true'],
    [4100, '1006 backend gone', 'close 3 1006 backend gone false'],
    [4200, 'restart', 'error 3|close 3 1006 4200 restart false'],
    [4304, '', 'error 3|close 3 1006 4304  false'],
  ])('the server ends the session with %i %j', async (code, reason, told) => {
    const socket = await open()
    const lines = record(socket)
    net.socket.receive(`@1 0\nta\n!close ${JSON.stringify({ code, reason })}\n`)
    await next(socket, 'message')
    net.socket.receive(`@3 0\n!closed ${JSON.stringify({ code, reason, recv: 0, ack: 2 })}\n`)
    await next(socket, 'close')
    expect(lines).toEqual(['message 1 a', ...told.split('|')])
    socket.close()
    expect(lines).toHaveLength(1 + told.split('|').length)
  })
})

describe('handlers', () => {
  test('what is no object is null, and what cannot be called is not', async () => {
    const socket = await open()
    for (const value of [1, 'x', true, undefined]) {
      socket.onmessage = value as never
      expect(socket.onmessage).toBeNull()
    }
    const object = { handleEvent: vi.fn() }
    socket.onmessage = object as never
    expect(socket.onmessage).toBe(object)
    net.socket.receive('@1 0\nta\n')
    await next(socket, 'message')
    expect(object.handleEvent).not.toHaveBeenCalled()
  })

  test('a handler has the place among the listeners at which it was first set', async () => {
    const socket = await open()
    const got: unknown[] = []
    socket.addEventListener('message', () => got.push('first'))
    socket.onmessage = () => got.push('replaced')
    socket.addEventListener('message', () => got.push('last'))
    socket.onmessage = function (event) {
      got.push(this === socket, event.type)
    }
    net.socket.receive('@1 0\nta\n')
    await next(socket, 'message')
    expect(got.splice(0)).toEqual(['first', true, 'message', 'last'])
    socket.onmessage = null
    net.socket.receive('@2 0\nta\n')
    await next(socket, 'message')
    expect(got).toEqual(['first', 'last'])
  })
})
