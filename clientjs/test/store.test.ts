import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect, type Message } from '../src/index.js'
import type { StoreHooks } from '../src/store.js'
import { lastNumber } from '../src/wire/log.js'
import { opened, FakeNet } from './fakeNet.js'

const url = 'https://host.test/holdfast'
let net: FakeNet

beforeEach(() => {
  vi.useFakeTimers()
  net = new FakeNet()
})
afterEach(() => vi.useRealTimers())

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)
const start = (store: StoreHooks) =>
  connect(url, { fetch: net.fetch, WebSocket: net.WebSocket, transports: ['websocket'], store })

test('a store has seen what is sent before it is', async () => {
  const seen: [number, number, number][] = []
  const session = start({
    name: 'test',
    _start: () => {},
    _keep: (m) => seen.push([m._race._atts, m._selection._u, lastNumber(m._log)]),
  })
  let sentBySocket = 0
  session.on('trace', ({ what }) => what === 'selected' && session.send('from a listener'))
  session.send('a')
  await pass()
  net.socket.open()
  expect(net.socket.text).toContain('"att":1,"u":1')
  expect(net.socket.text).toContain('\nta\n')
  expect(seen.at(-1)).toEqual([1, 1, 1])
  const { send } = net.socket
  net.socket.send = (data) => {
    // Every line that goes out is one that the store was shown.
    const last = /^@(\d+) /.exec(data as string)!
    sentBySocket = +last[1]! - 1 + [...(data as string).matchAll(/^t/gm)].length
    expect(seen.at(-1)![2]).toBeGreaterThanOrEqual(sentBySocket)
    send.call(net.socket, data)
  }
  net.socket.receive('@1 1\n' + opened(1, { recv: 1 }))
  await pass()
  expect(sentBySocket).toBe(2)
})

test('a store may put the ack off', async () => {
  const taken: [Message | undefined, () => void][] = []
  const session = start({ name: 'test', _start: () => {}, _keep: () => {}, _take: (...args) => taken.push(args) })
  const got: unknown[] = []
  session.on('message', ({ data }) => got.push(data))
  await pass()
  net.socket.open()
  net.socket.receive('@1 0\n' + opened(1) + 'ta\ntb\n!close {"code":4100,"reason":""}\n')
  await pass(1000)
  expect(got).toEqual(['a', 'b'])
  expect(taken.map(([m]) => m?.number)).toEqual([1, 2, undefined])
  expect(net.socket.text).not.toMatch(/^@1 [123]/m)
  taken[0]![1]()
  await pass(100)
  expect(net.socket.text).toMatch(/^@1 1\n/m)
  taken[1]![1]()
  taken[2]![1]()
  await pass(100)
  expect(net.socket.text).toMatch(/^@1 3\n/m)
})
