// What can never work is refused where it is handed over, and changes nothing.
import { describe, expect, test, vi } from 'vitest'
import { connect, type Options } from '../src/index.js'
import { diagnose } from '../src/doctor.js'
import { share } from '../src/tabs.js'
import { endpointOf } from '../src/url.js'
import { listen, net, open, pass, start, url } from './play.js'

describe('close', () => {
  test.each<unknown[]>([
    [4100, null], [4100, 42], [4100, Error('boom')], [4100, ['a']], [4100, { toString: () => 'why' }],
    [4100.5], ['4101'],
    [NaN], [Infinity], [-1], [4099], [4200], [null], [4100n], [4100, 'é'.repeat(65)],
  ])('(%s, %s) is refused, and the session goes on', async (...args) => {
    const session = await open()
    expect(() => session.close(...(args as [number, string]))).toThrow(RangeError)
    expect(session.send('a')).toBe(1)
    await pass()
    expect(net.socket.text).toBe('@1 0\nta\n')
    const tab = share(url, { WebSocket: net.WebSocket })
    expect(() => tab.close(...(args as [number, string]))).toThrow(RangeError)
    tab.leave()
  })
})

describe('a URL', () => {
  test.each([
    '', 'holdfast', '/holdfast', 'ftp://host.test/', 'file:///holdfast', 'mailto:a@b',
    `${url}#`, `${url}?a#b`, `${url}//`,
    'http://', 'http://a b/',
  ])('"%s" is refused', async (bad) => {
    expect(() => connect(bad)).toThrow(TypeError)
    expect(() => share(bad)).toThrow(TypeError)
    await expect(diagnose(bad)).rejects.toThrow(TypeError)
  })

  test.each([
    ['ws://h/x', '://h/x'],
    ['WSS://h', 's://h/'],
    ['http://u:p@h/x', '://h/x'],
    ['https://u@h:8443/a@b?c@d', 's://h:8443/a@b?c@d'],
    [new URL('http://h/x'), '://h/x'],
  ])('%s is %s', (given, endpoint) => {
    expect(endpointOf(given)).toBe(endpoint)
  })

  test('in a page is relative to its base, without the credentials in its address', () => {
    vi.stubGlobal('location', { href: 'about:srcdoc' })
    vi.stubGlobal('document', { baseURI: 'https://u:p@h/app/' })
    expect(endpointOf('holdfast')).toBe('s://h/app/holdfast')
    expect(endpointOf('/holdfast')).toBe('s://h/holdfast')
  })
})

describe('an option', () => {
  const loop: unknown[] = []
  loop.push(loop)
  const none = [5n, loop, () => 1, Symbol('a'), 'x'.repeat(9000)]

  test.each<[unknown, Options]>([
    ['an unknown transport', { transports: ['sse', 'polling' as 'sse'] }],
    ['no transport', { transports: [] }],
    ['a string of transports', { transports: 'sse' as never }],
    ...none.map((meta): [unknown, Options] => ['meta that JSON cannot hold', { meta }]),
    ...none.filter((v) => typeof v !== 'function').map((auth): [unknown, Options] => ['such auth', { auth }]),
  ])('that cannot be is refused at once: %s', async (_, options) => {
    expect(() => start(options)).toThrow(TypeError)
    await pass(1000)
    expect(net.sockets).toEqual([])
  })

  test('out of its bounds is a RangeError', () => {
    const bad = [{ buffer: NaN }, { buffer: -1 }, { maxBatch: 100 }, { maxBatch: 1 << 21 }, { maxBatch: NaN }]
    for (const options of bad)
      expect(() => start(options)).toThrow(RangeError)
  })

  test('without a platform for it is one transport less, or an error', () => {
    vi.stubGlobal('WebSocket', undefined)
    const fetch = net.fetch
    expect(() => connect(url, { fetch, transports: ['websocket'] })).toThrow(TypeError)
    connect(url, { fetch }).close()
  })

  test('that is changed later is as it was', async () => {
    const meta = { user: 1 }
    const transports: Options['transports'] & unknown[] = ['websocket']
    start({ meta, transports })
    meta.user = 2
    transports.push('polling')
    await pass()
    net.socket.open()
    await pass()
    expect(net.socket.text).toContain('"meta":{"user":1}')
  })

  test.each(none)('auth that gives what JSON cannot hold ends the session: %s', async (bad) => {
    const { ends } = listen(start({ auth: () => Promise.resolve(bad) }))
    await pass()
    expect(ends).toMatchObject([{ code: 4301 }])
    expect(net.sockets).toEqual([])
  })
})
