import { describe, expect, test, vi } from 'vitest'
import { type End, type Message } from '../src/index.js'
import { opened } from './fakeNet.js'
import { start, listen, net, open, pass } from './play.js'

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
    net.socket.receive('@1 2\n!closed {"code":4111,"reason":"enough","recv":2,"ack":0}\n')
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
    const got = listen(session)
    const old = net.socket
    session.close()
    await pass()
    old.receive('@1 1\n!closed {"code":4100,"reason":"","recv":1,"ack":0}\n')
    old.receive('@1 0\ntlate\n')
    old.drop()
    await pass(60_000)
    expect(got.messages).toEqual([])
    expect(got.ends).toHaveLength(1)
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
    const session = start()
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
    net.socket.receive('@1 1\n')
    session.close()
    await pass(10_000)
    expect(ends).toMatchObject([{ code: 4100, remote: false, delivered: 1, notDelivered: [], unknown: [3] }])
  })

  test('the close of the server comes after its messages', async () => {
    const session = await open()
    const order: string[] = []
    session.on('message', ({ data }) => order.push(String(data)))
    session.on('close', ({ code, remote }) => order.push(`close ${code} ${remote}`))
    net.socket.receive('@1 0\nta\n!close {"code":4100,"reason":""}\n')
    await pass(200)
    expect(net.socket.text).toContain('@1 2\n')
    net.socket.receive('@3 0\n!closed {"code":4100,"reason":"","recv":0,"ack":2}\n')
    await pass()
    expect(order).toEqual(['a', 'close 4100 true'])
  })
})

describe('renewal', () => {
  const over = '@1 1\n!closed {"code":4200,"reason":"drained","recv":1,"ack":0}\n'
  const keyOf = (n: number) => /"key":"([\w-]+)"/.exec(net.sockets[n]!.text)![1]

  test('a new session begins by itself, nothing is sent again, and the application learns the fates', async () => {
    const session = start()
    const got = listen(session)
    await pass()
    net.socket.open()
    await pass()
    net.socket.receive('@1 0\n' + opened(1))
    await pass()
    session.send('a')
    session.send('b')
    await pass()
    net.socket.receive(over)
    await pass()
    expect(got.renewals).toEqual([
      {
        code: 4200,
        reason: 'drained',
        remote: true,
        session: 'AAAAAAAAAAAAAAAAAAAAAA',
        delivered: 1,
        notDelivered: [2],
        unknown: [],
      },
    ])
    expect(session.state).toBe('connecting')
    expect(session.send('c')).toBe(1)
    await pass(500)
    expect(net.sockets).toHaveLength(2)
    net.socket.open()
    await pass()
    expect(keyOf(1)).not.toBe(keyOf(0))
    expect(net.socket.text).toMatch(/\}\ntc\n$/)
    net.socket.receive('@1 1\n' + opened(1, { id: 'B'.repeat(22), run: 'r2r2r2r2r2r2r2r2', recv: 1 }))
    await pass()
    expect(session.id).toBe('B'.repeat(22))
    expect(got.ends).toEqual([])
    expect(got.other.filter(([type]: any) => type === 'open')).toHaveLength(2)
  })

  test('messages of the old session that nobody has taken are still handed out', async () => {
    const session = await open()
    net.socket.receive('@1 0\nta\n' + over.slice(over.indexOf('\n') + 1).replace('"recv":1', '"recv":0'))
    await pass()
    const got: Message[] = []
    session.on('message', (m) => got.push(m))
    await pass()
    expect(got).toMatchObject([{ data: 'a', session: 'AAAAAAAAAAAAAAAAAAAAAA' }])
  })

  test('renewals slow down while none lasts', async () => {
    start()
    const begun: number[] = []
    for (let i = 0; i < 6; i++) {
      await vi.waitUntil(async () => (await pass(50), net.sockets.length > i), { timeout: 60_000, interval: 0 })
      begun.push(Date.now())
      net.socket.open()
      net.socket.receive('@1 0\n' + opened(1))
      net.socket.receive('@1 0\n!closed {"code":4203,"reason":"","recv":0,"ack":0}\n')
      await pass()
    }
    const waits = begun.slice(1).map((at, i) => at - begun[i]!)
    expect(waits.at(-1)).toBeGreaterThan(3000)
  })

  test('not when it is not wanted, and not for other codes', async () => {
    for (const [options, code] of [
      [{ renew: false }, 4200],
      [{}, 4301],
      [{}, 4100],
    ] as const) {
      const session = await open(options)
      const { ends } = listen(session)
      const made = net.sockets.length
      net.socket.receive(`@1 0\n!closed {"code":${code},"reason":"","recv":0,"ack":0}\n`)
      await pass(60_000)
      expect(ends).toMatchObject([{ code }])
      expect(net.sockets).toHaveLength(made)
    }
  })
})

describe('a server that sends more than the window', () => {
  const line = 't' + 'x'.repeat(1500) + '\n' // of 1,516 window bytes
  const flood = (n: number, times: number) => net.socket.receive(`@${n} 0\n${line.repeat(times)}`)

  test('ends the session, and not one whose application takes what comes', async () => {
    for (const listens of [false, true]) {
      const session = await open({ maxBatch: 1 << 20, renew: false }, { win: 1 << 20 })
      const { ends } = listens ? listen(session) : { ends: [] as End[] }
      if (!listens) session.on('close', (end) => ends.push(end))
      let sent = 0
      for (; sent < 50_000 && session.state === 'open'; sent += 500) {
        flood(sent + 1, 500)
        await pass()
      }
      if (listens) expect(sent).toBe(50_000)
      else expect(sent * 1516).toBeLessThan(19e6) // 1 MiB, a message of 16 MiB, and a batch
      expect(ends.map(({ code }) => code)).toEqual(listens ? [] : [4304])
      session.close()
    }
  })
})
