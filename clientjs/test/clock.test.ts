// The wall clock is set while a session lasts: that costs no more than a wake.
import { describe, expect, test, vi } from 'vitest'
import { opened } from './fakeNet.js'
import { listen, net, open, pass, start } from './play.js'

const hour = 3600e3

describe.each([-hour, hour])('the wall clock is set by %i ms', (step) => {
  const set = () => vi.setSystemTime(Date.now() + step)
  const answer = (att: number) => {
    net.socket.open()
    net.socket.receive('@1 0\n' + opened(att, { sel: { u: att, att } }))
  }

  test('while it connects: the attempt goes on', async () => {
    const session = start({ transports: ['websocket'] })
    await pass()
    set()
    await pass(1000)
    net.sockets[0]!.open()
    net.sockets[0]!.receive('@1 0\n' + opened(1))
    await pass()
    expect(session.state).toBe('open')
  })

  test('while it waits to try again: it does so as soon as it would have', async () => {
    const session = start({ transports: ['websocket'] })
    for (let i = 0; i < 8; i++) {
      await pass(15e3)
      net.socket.drop()
    }
    await pass()
    const before = net.sockets.length
    set()
    await pass(15e3)
    expect(net.sockets.length).toBeGreaterThan(before)
    expect(session.state).toBe('connecting')
  })

  test('while nothing comes or goes: the attachment stays, and is pinged', async () => {
    const session = await open({ transports: ['websocket'] })
    const { traces } = listen(session)
    await pass(12e3)
    net.socket.sent.length = 0
    set()
    for (let i = 0; i < 400 && !net.socket.text; i++) await pass(50)
    net.socket.receive('@1 0\n!pong {"i":' + /!ping \{"i":(\d+)/.exec(net.socket.text)![1] + '}\n')
    await pass(5e3)
    expect(traces.filter(({ what }) => what === 'died')).toEqual([])
    expect(session.transport).toBe('websocket')
  })

  test('while an attachment hangs: another takes its place', async () => {
    const session = await open({ transports: ['websocket'] })
    session.send('a')
    set()
    await pass(8e3)
    expect(net.sockets.length).toBeGreaterThan(1)
    answer(2)
    await pass()
    expect(session.state).toBe('open')
    expect(net.socket.text).toContain('\nta\n')
  })

  test('while it closes: it waits for the final word as long as ever', async () => {
    const session = await open({ transports: ['websocket'] })
    const { ends } = listen(session)
    session.close()
    set()
    await pass(5e3)
    expect(ends).toEqual([])
    await pass(15e3)
    expect(ends).toMatchObject([{ code: 4100 }])
  })

  test('is a wake, once, and drains no timer', async () => {
    await open({ transports: ['websocket'] })
    await pass(12e3)
    net.socket.sent.length = 0
    set()
    net.socket.receive('@1 0\n!ping {"i":1}\n')
    await pass()
    expect(net.socket.text.match(/!ping/g)).toHaveLength(1)
    net.socket.receive('@1 0\n!pong {"i":' + /!ping \{"i":(\d+)/.exec(net.socket.text)![1] + '}\n')
    await pass(3e3)
    expect(net.sockets).toHaveLength(1)
  })
})
