// Sessions over a network that a test plays, with a clock that stands until the test lets it run.
import { afterEach, beforeEach, vi } from 'vitest'
import { connect, type End, type Message, type Options, type Session, type Trace } from '../src/index.js'
import { FakeNet, opened } from './fakeNet.js'

export const url = 'https://host.test/holdfast'
/** The network of the test that runs. */
export let net: FakeNet

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  net = new FakeNet()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

export const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

export const start = (options: Options = {}): Session =>
  connect(url, { fetch: net.fetch, WebSocket: net.WebSocket, ...options })

/** A session that a WebSocket carries. */
export async function open(options: Options = {}, fields: object = {}): Promise<Session> {
  const session = start(options)
  await pass()
  net.socket.open()
  net.socket.receive('@1 0\n' + opened(1, fields))
  await pass(20)
  net.socket.receive('@1 0\n!pong {"i":1}\n')
  await pass()
  net.socket.sent.length = 0
  return session
}

/** Everything a session tells its listeners. */
export function listen(session: Session) {
  const got = {
    messages: [] as Message[],
    ends: [] as End[],
    renewals: [] as End[],
    traces: [] as Trace[],
    other: [] as unknown[],
  }
  session.on('message', (m) => got.messages.push(m))
  session.on('close', (e) => got.ends.push(e))
  session.on('renew', (e) => got.renewals.push(e))
  session.on('trace', (t) => got.traces.push(t))
  for (const type of ['open', 'transport', 'drain'] as const)
    session.on(type, (e: unknown) => got.other.push([type, e]))
  return got
}
