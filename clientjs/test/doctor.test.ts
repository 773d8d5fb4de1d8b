import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { diagnose, reportText, type DiagnoseOptions, type Report } from '../src/doctor.js'
import { doctorNet, type Network } from './doctorNet.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Runs a diagnosis over that network, in the time of the fakes. */
async function run(network: Network = {}, options: DiagnoseOptions = {}, refuses = ''): Promise<Report> {
  const net = doctorNet(network, refuses)
  const began = Date.now()
  let report: Report | undefined
  void diagnose('http://holdfast.test/holdfast?token=hunter2', { ...net, ...options }).then((r) => (report = r))
  while (!report && Date.now() - began < 200_000) await vi.advanceTimersByTimeAsync(50)
  expect(Date.now() - began).toBeLessThanOrEqual((options.timeout ?? (options.long ? 95_000 : 15_000)) + 1100)
  const text = reportText(report!)
  expect(text).not.toMatch(/hunter2|token=/)
  for (const finding of report!.findings) {
    expect(text).toContain(finding.title)
    expect(finding.evidence.length).toBeGreaterThan(0)
    expect(finding.advice).not.toBe('')
  }
  return report!
}

const states = (report: Report) => report.transports.map((t) => t.state).join(' ')
const evidence = (report: Report) => Object.fromEntries(report.findings.map((f) => [f.id, f.evidence.join('\n')]))

test('a clean network gives no findings, 20 times', async () => {
  for (let i = 0; i < 20; i++) {
    const report = await run()
    expect(evidence(report)).toEqual({})
    expect([report.verdict, states(report)]).toEqual(['good', 'fits fits fits'])
    expect(report.url).toBe('http://holdfast.test/holdfast')
  }
})

test('the long run of a clean network finds nothing and leaves no session', async () => {
  const net = doctorNet()
  const report = await run({}, { ...net, long: true })
  expect(evidence(report)).toEqual({})
  expect(report.tookMs).toBeGreaterThan(70_000)
  expect(net.left()).toBe(0)
})

describe('WebSockets', () => {
  const only = (keep: (n: number) => boolean): Network => ({ down: keep })
  const oneBehind = (): Network => {
    let kept: string | false = false
    return {
      down: (_n, frame) => {
        const last = kept
        kept = frame
        return last
      },
    }
  }
  const cases: Record<string, [Network, string, string, string]> = {
    refused: [{ handshake: 'refuse' }, 'fails', 'ws-refused', 'closed 1006 after'],
    'black-holed': [{ handshake: 'hole' }, 'fails', 'ws-blackholed', 'no answer to the handshake within 5000 ms'],
    swallowed: [only(() => false), 'fails', 'ws-swallowed', 'no frame came within 5000 ms'],
    'swallowed after the first': [only((n) => n === 1), 'fails', 'ws-swallowed', 'none to a ping'],
    "the server's first frame lost": [
      only((n) => n !== 1),
      'fails',
      'ws-first-frame',
      'the answer to the second frame came',
    ],
    "the client's first frame lost": [{ up: (n) => n !== 1 }, 'fails', 'ws-first-frame', 'refused malformed'],
    'killed at 200 ms': [{ diesAt: 200 }, 'fails', 'ws-killed', 'cut 200 ms after the handshake: closed 1006'],
    'falls silent': [{ down: (_n, _f, { age }) => age < 3000 }, 'fails', 'ws-silent', 'no answer to a ping'],
    'one behind': [oneBehind(), 'fails', 'ws-one-behind', 'came when a second was sent'],
    'frames above 16 KiB cut': [
      {
        up: (_n, frame, socket) => {
          if (frame.length > 17_000) setTimeout(() => socket.drop(1009))
          return frame.length <= 17_000
        },
      },
      'impaired',
      'size-cap',
      'a frame of 32768 bytes ended the socket: closed 1009',
    ],
    altered: [
      { down: (_n, frame) => frame.replace('!pong', '<b>pong</b>') },
      'fails',
      'ws-altered',
      'a frame cannot be read',
    ],
  }
  for (const [name, [network, state, id, words]] of Object.entries(cases))
    test(name, async () => {
      const report = await run(network)
      expect(Object.keys(evidence(report))).toEqual([id])
      expect(evidence(report)[id]).toContain(words)
      expect(states(report)).toBe(`${state} fits fits`)
      expect(report.verdict).toBe('degraded')
    })
})

describe('event streams', () => {
  const keeping =
    (eager: boolean, free: (kept: string) => boolean): Network['stream'] =>
    (pass) => {
      let kept = ''
      if (eager) pass('')
      return {
        piece: (text) => {
          kept += text
          if (!free(kept)) return
          pass(kept)
          kept = ''
        },
        end: () => pass(kept),
      }
    }
  const cases: Record<string, [Network['stream'], string, string]> = {
    'held whole': [keeping(false, () => false), 'sse-held', 'all of it'],
    'held behind the header': [keeping(true, () => false), 'sse-held', 'only header before; all of it'],
    'a buffer of 4 KiB': [keeping(true, (kept) => kept.length > 4096), 'sse-threshold', 'KiB more'],
    'a buffer of 24 KiB, header too': [
      keeping(false, (kept) => kept.length > 24_576),
      'sse-threshold',
      'it came when the server had sent about 2',
    ],
    'one behind': [
      (pass) => {
        let last = ''
        return { piece: (text) => (pass(last), (last = text)), end: () => pass(last) }
      },
      'sse-one-behind',
      'of 3 words',
    ],
    late: [
      (pass) => (pass(''), { piece: (text) => void setTimeout(() => pass(text), 2400), end: () => {} }),
      'sse-delayed',
      'beacon 1 after 2400 ms',
    ],
    'falls silent': [
      (pass) => {
        const began = Date.now()
        return { piece: (text) => void (Date.now() - began < 3000 && pass(text)), end: () => {} }
      },
      'sse-silent',
      'its pong did not come',
    ],
  }
  for (const [name, [stream, id, words]] of Object.entries(cases))
    test(name, async () => {
      const report = await run({ stream: stream! })
      expect(Object.keys(evidence(report))).toEqual([id])
      expect(evidence(report)[id]).toContain(words)
      expect([states(report), report.verdict]).toEqual(['fits fails fits', 'degraded'])
    })

  test('refused', async () => {
    const report = await run({
      post: (kind, _body, ask) =>
        kind === 'stream' ? Promise.resolve(new Response('no streams', { status: 403 })) : ask(),
    })
    expect(evidence(report)).toEqual({ 'sse-refused': 'sse: status 403, “no streams”' })
  })

  test('cut', async () => {
    const report = await run({
      post: async (kind, _body, ask) => {
        const answer = await ask()
        if (kind !== 'stream') return answer
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
        const abort = new AbortController()
        answer.body!.pipeTo(writable, { signal: abort.signal }).catch(() => {})
        setTimeout(() => abort.abort(), 5000)
        return new Response(readable, answer)
      },
    })
    expect(Object.keys(evidence(report))).toEqual(['sse-cut'])
    expect(evidence(report)['sse-cut']).toMatch(/the stream ended 50\d\d ms after the request/)
  })
})

describe('requests', () => {
  const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  const changed = async (
    ask: () => Promise<Response>,
    change: (text: string) => string,
    headers: Record<string, string> = {},
  ) => {
    const answer = await ask()
    const all = new Headers(answer.headers)
    for (const [name, value] of Object.entries(headers)) value ? all.set(name, value) : all.delete(name)
    return new Response(change(await answer.text()), { headers: all })
  }
  /** For all but streams. */
  const posts =
    (f: NonNullable<Network['post']>): Network['post'] =>
    (kind, body, ask, signal) =>
      kind === 'stream' ? ask() : f(kind, body, ask, signal)
  let kept: string | undefined
  let together: Promise<Response> | undefined
  const cases: Record<string, [NonNullable<Network['post']>, string, Record<string, string>]> = {
    'polls are cut': [
      (_k, _b, ask) => Promise.race([ask(), later(3000).then(() => new Response('late', { status: 504 }))]),
      'fits fits impaired',
      { 'poll-cut': 'ended after 3000 ms: status 504' },
    ],
    'polls vanish': [
      async (kind, _b, ask) => (kind === 'poll' ? (await later(60_000), ask()) : ask()),
      'fits fits impaired',
      { 'poll-cut': 'no answer to a request of kind poll' },
    ],
    'polls come late': [
      async (kind, _b, ask) => {
        const answer = await ask()
        if (kind === 'poll') await later(2000)
        return answer
      },
      'fits fits impaired',
      { 'poll-late': 'was answered after 8000 ms' },
    ],
    'a cache': [
      async (_k, _b, ask) => changed(ask, (text) => (kept ??= text)),
      'fits fails fails',
      { 'reply-reused': 'of kind open' },
    ],
    'a cache for polls': [
      async (kind, _b, ask) => (kind === 'poll' ? changed(ask, (text) => (kept ??= text)) : ask()),
      'fits fits fails',
      { 'reply-reused': 'of kind poll' },
    ],
    'requests put together': [
      async (kind, _b, ask) => {
        if (kind !== 'poll') return ask()
        const first = !together
        together ??= ask()
        const answer = (await together).clone()
        await later(1)
        if (first) together = undefined
        return answer
      },
      'fits fits fails',
      { 'reply-reused': 'asked for poll, got the answer to another request' },
    ],
    'cut short': [
      (_k, _b, ask) => changed(ask, (text) => text.slice(0, -3)),
      'fits fails fails',
      { 'reply-truncated': 'without its end line' },
    ],
    rewritten: [
      (_k, _b, ask) => changed(ask, (text) => text.replace('!pong', '<b>pong</b>')),
      'fits fits fails',
      { 'reply-altered': 'cannot be read' },
    ],
    'bodies above 16 KiB refused': [
      async (_k, body, ask) => (body.length > 17_000 ? new Response('too much', { status: 413 }) : ask()),
      'fits fits impaired',
      { 'size-cap': 'a request of 32768 bytes: status 413' },
    ],
    'up-sends refused': [
      async (kind, _b, ask) => (kind === 'up' ? new Response('no', { status: 503 }) : ask()),
      'fits fails fails',
      { 'post-refused': 'status 503, “no”' },
    ],
    repeated: [
      async (kind, _b, ask) => (kind === 'up' && (await ask()), ask()),
      'fits fits fits',
      { 'request-repeated': 'twice' },
    ],
    'a relay': [
      (_k, _b, ask) => changed(ask, (t) => t, { Via: '1.1 squid' }),
      'fits fits fits',
      { intermediary: 'Via: 1.1 squid' },
    ],
    'headers stripped': [
      (_k, _b, ask) => changed(ask, (t) => t, { 'Cache-Control': 'public', 'Content-Type': 'text/html' }),
      'fits fits fits',
      { 'headers-stripped': 'no-store is missing' },
    ],
    compressed: [
      (_k, _b, ask) => changed(ask, (t) => t, { 'Content-Encoding': 'gzip' }),
      'fits fits fits',
      { transformed: 'gzip' },
    ],
    'another time': [
      (_k, _b, ask) => changed(ask, (t) => t, { Date: new Date(Date.now() - 7_200_000).toUTCString() }),
      'fits fits fits',
      { 'clock-skew': '7200 s behind' },
    ],
  }
  for (const [name, [post, want, findings]] of Object.entries(cases))
    test(name, async () => {
      kept = undefined
      const report = await run({ post: posts(post)! })
      expect(Object.keys(evidence(report))).toEqual(Object.keys(findings))
      for (const [id, words] of Object.entries(findings)) expect(evidence(report)[id]).toContain(words)
      expect(states(report)).toBe(want)
    })
})

describe('nothing works', () => {
  const page = () =>
    Promise.resolve(
      new Response('<!doctype html><title>Guest Wi-Fi: sign in</title>', { headers: { 'Content-Type': 'text/html' } }),
    )
  const status =
    (code: number, headers: Record<string, string> = {}) =>
    () =>
      Promise.resolve(new Response('', { status: code, headers }))
  const cases: Record<string, [Network['post'], Record<string, string>]> = {
    'a page': [page, { 'captive-portal': 'Guest Wi-Fi: sign in' }],
    '302': [
      status(302, { Location: 'http://portal.example/login?from=hunter2' }),
      { 'captive-portal': 'Location: http://portal.example/login' },
    ],
    '301 to itself': [status(301, { Location: 'https://holdfast.test/holdfast' }), { redirected: 'status 301' }],
    '511': [status(511), { 'captive-portal': 'status 511' }],
    '404': [status(404), { 'not-holdfast': 'status 404' }],
    'no answer': [() => new Promise(() => {}), { 'post-blackholed': 'no answer' }],
    'no connection': [
      () => Promise.reject(new TypeError('Failed to fetch')),
      { unreachable: 'TypeError: Failed to fetch' },
    ],
  }
  for (const [name, [post, findings]] of Object.entries(cases))
    test(name, async () => {
      const report = await run({ post: post!, handshake: 'refuse' })
      expect(Object.keys(evidence(report)).sort()).toEqual([...Object.keys(findings), 'ws-refused'].sort())
      for (const [id, words] of Object.entries(findings)) expect(evidence(report)[id]).toContain(words)
      expect([states(report), report.verdict]).toEqual(['fails fails fails', 'blocked'])
    })

  test('the server wants credentials', async () => {
    const report = await run({}, {}, 'auth')
    expect(Object.keys(evidence(report))).toEqual(['server-refuses'])
    expect(report.summary).toContain('no matter of the network')
  })
})

test('the long run tells idle cuts from an age', async () => {
  const idle: Network = {
    up: (_n, _f, socket) => {
      const s = socket as unknown as { timer?: ReturnType<typeof setTimeout> }
      clearTimeout(s.timer)
      s.timer = setTimeout(() => socket.drop(), 12_000)
      return true
    },
  }
  let report = await run(idle, { long: true })
  expect(evidence(report)).toEqual({ 'idle-cut': expect.stringContaining('after 12.0 s of silence') as unknown })
  expect(states(report)).toBe('impaired fits fits')
  report = await run({ diesAt: 30_000 }, { long: true })
  expect(evidence(report)).toEqual({ 'age-limit': expect.stringContaining('at an age of 30.0 s') as unknown })
})

test('it can be ended early, and tells what it knows', async () => {
  for (const after of [0, 1, 700, 4000]) {
    const abort = new AbortController()
    setTimeout(() => abort.abort(), after)
    const began = Date.now()
    const report = await run({}, { signal: abort.signal })
    expect(Date.now() - began).toBeLessThanOrEqual(after + 1100)
    expect(evidence(report)).toEqual({})
  }
})

test('progress names each transport and what became of it', async () => {
  const last = new Map<string, string | undefined>()
  await run({ handshake: 'refuse' }, { onProgress: (p) => last.set(p.transport, p.state) })
  expect(Object.fromEntries(last)).toEqual({ websocket: 'fails', sse: 'fits', longpoll: 'fits' })
})

test('what is no endpoint is a TypeError', async () => {
  await expect(diagnose('ftp://holdfast.test/')).rejects.toThrow(TypeError)
})

test('both doctors say the same', () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
  expect(read('../src/doctor/findings.json')).toBe(read('../../session/client/doctor/findings.json'))
})

test('whoever is told of the progress may throw', () => {
  const script = `
    import { diagnose } from ${JSON.stringify(new URL('../dist/doctor.mjs', import.meta.url).href)}
    process.on('unhandledRejection', (error) => console.log(error.message))
    const onProgress = () => { throw Error('of the listener') }
    console.log((await diagnose('http://127.0.0.1:9/', { timeout: 1500, onProgress })).verdict)
    setTimeout(process.exit, 50)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(new Set(stdout.trim().split('\n'))).toEqual(new Set(['of the listener', 'blocked']))
})
