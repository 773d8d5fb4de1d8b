import { describe, expect, test } from 'vitest'
import type { Events } from '../src/index.js'
import { opened } from './fakeNet.js'
import { listen, net, open, pass, start } from './play.js'

describe('listeners', () => {
  test('that stop and start again on an event are given the next', async () => {
    const session = await open()
    const seen: unknown[] = []
    const wait = () => {
      const stop = session.on('message', ({ data }) => {
        stop()
        if (seen.push(data) < 9) wait()
      })
    }
    wait()
    net.socket.receive('@1 0\nta\ntb\ntc\n')
    await pass()
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  test('do so on every event', async () => {
    const session = start()
    const calls: Record<string, number> = {}
    const again = (type: keyof Events) => {
      const stop = session.on(type, () => {
        stop()
        if ((calls[type] = (calls[type] ?? 0) + 1) < 50) again(type)
      })
    }
    for (const type of ['message', 'open', 'transport', 'drain', 'renew', 'close', 'trace'] as const) again(type)
    await pass()
    session.send('a')
    net.socket.open()
    await pass()
    net.socket.receive('@1 1\n' + opened(1, { recv: 1 }) + 'tm\n')
    await pass()
    net.socket.receive('@2 1\n!closed {"code":4200,"reason":"","recv":1,"ack":1}\n')
    await pass()
    session.close()
    await pass()
    const { trace, ...others } = calls
    expect(others).toEqual({ open: 1, transport: 2, drain: 1, message: 1, renew: 1, close: 1 })
    expect(trace).toBeLessThan(9)
  })

  test('are given an event if they are there when it is emitted, one function as often as it is', async () => {
    const session = await open()
    const seen: string[] = []
    const shared = () => seen.push('shared')
    session.on('message', () => {
      second()
      session.on('message', () => seen.push('late'))
    })
    const first = session.on('message', shared)
    const second = session.on('message', shared)
    net.socket.receive('@1 0\nta\n')
    await pass()
    expect(seen).toEqual(['shared', 'shared'])
    second() // stops what it registered, and no other
    net.socket.receive('@2 0\ntb\n')
    await pass()
    expect(seen.slice(2)).toEqual(['shared', 'late'])
    first()
  })

  test('may send while the last messages of a session are handed out before its renewal', async () => {
    const session = await open()
    const numbers: number[] = []
    session.on('message', () => numbers.push(session.send('answer')))
    net.socket.receive('@1 0\nta\n!closed {"code":4200,"reason":"","recv":0,"ack":0}\n')
    await pass()
    expect(numbers).toEqual([1])
    expect(session.buffered).toBe(22)
  })

  test('may close the session in any event', async () => {
    for (const type of ['message', 'open', 'transport', 'drain', 'renew', 'trace'] as const) {
      const session = start()
      const { ends } = listen(session)
      session.on(type, () => session.close())
      session.send('a')
      await pass()
      net.socket.open()
      await pass()
      net.socket.receive('@1 1\n' + opened(1, { recv: 1 }) + 'tm\n')
      await pass()
      net.socket.receive('@2 1\n!closed {"code":4200,"reason":"","recv":1,"ack":1}\n')
      await pass(60_000)
      expect(ends, type).toHaveLength(1)
      expect(session.state, type).toBe('closed')
    }
  })
})
