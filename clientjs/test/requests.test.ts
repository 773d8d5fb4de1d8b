// HF1-POL-04: one hanging poll and two requests at a time per attachment, whatever the application
// does. A third is for the moments in which the session goes from one attachment to another.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect, type Transport } from '../src/index.js'
import { FakeNet, opened, type FakeRequest } from './fakeNet.js'

let net: FakeNet
let pending: Set<FakeRequest>
/** The most requests that were pending at once, and the most of one attachment. */
let most: { all: number; each: number }

const attachment = ({ batch }: FakeRequest) => /"att":(\d+)/.exec(batch)![1]!

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  net = new FakeNet()
  pending = new Set()
  most = { all: 0, each: 0 }
  const push = net.requests.push.bind(net.requests)
  net.requests.push = (request) => {
    pending.add(request)
    request.init.signal!.addEventListener('abort', () => pending.delete(request))
    const each = [...pending].filter((r) => attachment(r) === attachment(request)).length
    most = { all: Math.max(most.all, pending.size), each: Math.max(most.each, each) }
    return push(request)
  }
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

/** What the server has of the client's log. */
let received = 0

/** Answers what is pending, but not the streams and the hanging polls. */
async function answer(): Promise<void> {
  for (const request of [...pending].filter((r) => r.kind === 'up')) {
    pending.delete(request)
    const [, first] = /^@(\d+)/.exec(request.batch)!
    const lines = request.batch.split('\n').filter((line) => /^\+?[tb]/.test(line)).length
    received = Math.max(received, +first! - 1 + lines)
    const pings = [...request.batch.matchAll(/^!ping \{"i":(\d+)\}$/gm)].map(([, i]) => `!pong {"i":${i}}\n`)
    const att = attachment(request)
    request.answer(`@1 ${received}\n!reply {"recv":${received},"sent":0,"sel":{"u":1,"att":${att}}}\n${pings.join('')}`)
  }
  await pass()
}

test.each<[Transport, string[]]>([
  ['longpoll', ['poll', 'up']],
  ['sse', ['stream', 'up']],
])('%s: never more than two requests', async (transport, kinds) => {
  received = 0
  const session = connect('https://host.test/holdfast', { fetch: net.fetch, transports: [transport] })
  for (let i = 0; i < 20; i++) session.send(`early ${i}`)
  await pass()
  const [open] = net.requests
  received = 20
  if (transport === 'longpoll') {
    pending.delete(open!)
    open!.answer('@1 20\n' + opened(1, { recv: 20 }))
  } else {
    const event = (batch: string) =>
      [...batch.split('\n').slice(0, -1), '.'].map((line) => `data:${line}\n`).join('') + '\n'
    open!.stream(
      event(open!.preamble + '@1 20\n' + opened(1, { recv: 20 })) +
        event('@1 20\n?beacon {"i":1}\n') +
        event('@1 20\n?beacon {"i":2}\n'),
    )
  }
  await pass()
  expect(session.transport).toBe(transport)
  for (let i = 0; i < 200; i++) {
    session.send('x'.repeat(i % 7 === 0 ? 5000 : 10))
    if (i % 3 === 0) await answer()
    await pass(i % 5)
  }
  for (let i = 0; i < 20 && session.buffered; i++) await answer()
  expect(session.buffered).toBe(0)
  expect(most).toEqual({ all: 2, each: 2 })
  expect(
    [...new Set(net.requests.slice(1).map((r) => r.kind)), ...(transport === 'sse' ? ['stream'] : [])].sort(),
  ).toEqual(kinds)
})

test('a switch takes one more, of the new attachment', async () => {
  received = 0
  const session = connect('https://host.test/holdfast', { fetch: net.fetch, transports: ['sse', 'longpoll'] })
  session.send('early')
  await pass(300) // the stream does not open in time, and the long poll is opened beside it
  const open = net.requests.find((r) => r.kind === 'open')!
  pending.delete(open)
  received = 1
  open.answer('@1 1\n' + opened(2, { recv: 1 }))
  await pass()
  expect(session.transport).toBe('longpoll')
  for (let i = 0; i < 50; i++) {
    session.send('x')
    await answer()
  }
  expect(most.each).toBe(2)
  expect(most.all).toBe(3)
})
