import { spawnSync } from 'node:child_process'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { opened } from './fakeNet.js'
import { listen, net, open, pass } from './play.js'

describe('messages', () => {
  test('are kept unacknowledged until somebody listens', async () => {
    const session = await open()
    net.socket.receive('@1 0\nta\nbAQI=\n')
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
    net.socket.receive('@1 0\nta\ntb\ntc\n')
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
    net.socket.receive('@1 0\nta\n!close {"code":4100,"reason":"bye"}\n')
    await pass(200)
    expect(session.state).toBe('closing')
    net.socket.receive('@3 0\n!closed {"code":4100,"reason":"bye","recv":0,"ack":2}\n')
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
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    expect(stdout).toBe('heard 4100\n')
    expect(stderr).toContain('of the listener')
    expect(status).toBe(1)
  })

  test('a listener hears no more once it was stopped', async () => {
    const session = await open()
    const got: unknown[] = []
    const stop = session.on('message', ({ data }) => got.push(data))
    net.socket.receive('@1 0\nta\n')
    await pass()
    stop()
    net.socket.receive('@2 0\ntb\n')
    await pass()
    expect(got).toEqual(['a'])
  })
})

describe('bytes', () => {
  const memory = new Uint8Array([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).buffer
  const foreign = (code: string) => runInNewContext(code) as ArrayBuffer
  test.each([
    ['Uint8Array', () => new Uint8Array(memory, 4, 8)],
    ['Buffer', () => Buffer.from(memory, 4, 8)],
    ['Int16Array', () => new Int16Array(memory, 4, 4)],
    ['Float32Array', () => new Float32Array(memory, 4, 2)],
    ['DataView', () => new DataView(memory, 4, 8)],
    ['ArrayBuffer', () => memory.slice(4)],
    ['shared', () => new Uint8Array(new SharedArrayBuffer(8)).map((_, i) => i + 1)],
    ['of another realm', () => foreign('new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])')],
    ['a buffer of another realm', () => foreign('new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer')],
  ])('are those of a %s when it is sent, also when they are sent again', async (_, make) => {
    const session = await open()
    const data = make()
    session.send(data)
    new Uint8Array((data as Uint8Array).buffer ?? data).fill(9)
    await pass()
    const frame = [...Buffer.from('@1 0\n'), 1, 2, 3, 4, 5, 6, 7, 8]
    expect([...(net.socket.sent[0] as Uint8Array)]).toEqual(frame)
    net.socket.drop()
    await pass(1000)
    net.socket.open()
    await pass()
    net.socket.receive('@1 0\n' + opened(2, { sel: { u: 2, att: 2 } }))
    await pass()
    expect([...(net.socket.sent.at(-1) as Uint8Array)].slice(-8)).toEqual(frame.slice(-8))
    new Uint8Array(memory).set([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  test('that come fill a buffer of their own, in whichever form', async () => {
    const session = await open()
    const { messages } = listen(session)
    net.socket.receive('@1 0\nbAQIDBA==\n+bAQI=\nbAwQ=\n')
    net.socket.onmessage!({ data: new Uint8Array([...Buffer.from('@4 0\n'), 1, 2, 3, 4]).buffer })
    await pass()
    expect(messages).toHaveLength(3)
    for (const { data } of messages) {
      expect(data).toEqual(new Uint8Array([1, 2, 3, 4]))
      expect((data as Uint8Array).buffer.byteLength).toBe(4)
    }
  })
})

describe('bounds', () => {
  test('send throws at the bound of the buffer, and goes on when there is room', async () => {
    const session = await open({ buffer: 100 })
    expect(session.send('x'.repeat(80))).toBe(1)
    expect(() => session.send('y')).toThrow(RangeError)
    await pass()
    net.socket.receive('@1 1\n')
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
    const objects = [{}, { length: 0 }, [1], [], new String('a'), new Date(), new Blob(['a'])]
    const none = [null, undefined, 5, true, 5n, ...objects]
    for (const value of [...none, { [Symbol.toStringTag]: 'ArrayBuffer', byteLength: 1 }])
      expect(() => session.send(value as string), String(value)).toThrow(TypeError)
    expect(session.send('😀')).toBe(1)
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
    net.socket.receive('@1 1\n')
    await pass()
    expect(done).toBe(1)
    expect(session.buffered).toBe(17)
    net.socket.receive('@1 2\n')
    await pass()
    expect(done).toBe(2)
  })

  test('rejects when the session ends before that', async () => {
    const session = await open()
    session.send('a')
    const drained = expect(session.drained()).rejects.toThrow('4301 no')
    net.socket.receive('@1 0\n!closed {"code":4301,"reason":"no","recv":0,"ack":0}\n')
    await pass()
    await drained
  })

  test('resolves when the last acks come with the final word, and rejects at once when it is over', async () => {
    const session = await open()
    session.send('a')
    await pass()
    const drained = session.drained()
    net.socket.receive('@1 0\n!closed {"code":4301,"reason":"no","recv":1,"ack":0}\n')
    await drained
    await session.drained()
    const other = await open()
    other.send('b')
    await pass()
    net.socket.receive('@1 0\n!closed {"code":4301,"reason":"no","recv":0,"ack":0}\n')
    await pass()
    await expect(other.drained()).rejects.toThrow('4301 no')
  })
})
