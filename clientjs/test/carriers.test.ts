// Carriers against real servers of Node in this process, and against small fakes where a server
// could not be made to misbehave in just that way.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Kind, Wire } from '../src/carriers/carrier.js'
import { post } from '../src/carriers/post.js'
import { openSocket } from '../src/carriers/socket.js'
import type { WebSocketLike } from '../src/types.js'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const wireTo = (url: string): Wire => ({
  _url: url.replace(/^http/, ''),
  _fetch: fetch,
  _WebSocket: WebSocket as unknown as new (url: string) => WebSocketLike,
  _credentials: 'same-origin',
  _maxBatch: 4096,
})

type Answer = (preamble: string, request: IncomingMessage, response: ServerResponse, body: string) => void

/** A server whose answers begin with the preamble of the request unless the test says otherwise. */
async function serve(answer: Answer): Promise<Wire> {
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => answer(body.slice(0, body.indexOf('\n') + 1), request, response, body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return wireTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/holdfast`)
}

/** Lets what is under way arrive: nothing can be waited for where nothing is to happen. */
async function turns(): Promise<void> {
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
}

const patient = { timeout: 10_000, interval: 5 }

/** What a carrier reports, to be waited for. */
function report() {
  const batches: (string | Uint8Array)[] = []
  const faults: string[] = []
  const closed = vi.fn((fault: string) => void faults.push(fault))
  return {
    batches,
    take: (batch: string | Uint8Array) => void batches.push(batch),
    closed,
    end: () => vi.waitFor(() => expect(faults.length).toBeGreaterThan(0), patient).then(() => faults[0]!),
    batch: (n: number) => vi.waitFor(() => expect(batches.length).toBeGreaterThanOrEqual(n), patient),
  }
}

/** Makes a POST and waits for its end. */
async function exchange(wire: Wire, kind: Kind = 'poll', batch = '@1 0\n') {
  const seen = report()
  post(wire, kind, batch, seen.take, seen.closed)
  return { fault: await seen.end(), batches: seen.batches, calls: seen.closed.mock.calls.length }
}

describe('POST', () => {
  test('sends preamble, batch and end line as text, and takes the batch of the answer', async () => {
    const seen: { body: string; headers: IncomingMessage['headers']; method: string | undefined }[] = []
    const wire = await serve((preamble, request, response, body) => {
      seen.push({ body, headers: request.headers, method: request.method })
      response.end(`${preamble}@1 1\nthéllo\n.\n`)
    })
    const { fault, batches } = await exchange(wire, 'up', '@1 0\n!up {}\nthi\n')
    expect(fault).toBe('')
    expect(batches).toEqual(['@1 1\nthéllo\n'])
    expect(seen[0]!.body).toMatch(/^holdfast\/1 up [\w-]{16}\n@1 0\n!up \{\}\nthi\n\.\n$/)
    expect(seen[0]!.method).toBe('POST')
    expect(seen[0]!.headers['content-type']).toMatch(/^text\/plain;charset=utf-8$/i)
    expect(Object.keys(seen[0]!.headers).filter((name) => /^x-|authorization|cookie/.test(name))).toEqual([])
  })

  test('draws a nonce for every request', async () => {
    const nonces = new Set<string>()
    const wire = await serve((preamble, _, response) => {
      nonces.add(preamble)
      response.end(`${preamble}@1 0\n.\n`)
    })
    for (let i = 0; i < 5; i++) await exchange(wire)
    expect(nonces.size).toBe(5)
  })

  test.each<[string, Answer]>([
    ['another nonce', (_, __, response) => response.end('holdfast/1 poll AAAAAAAAAAAAAAAA\n@1 0\n.\n')],
    ['another kind', (p, _, response) => response.end(`${p.replace('poll', 'up')}@1 0\n.\n`)],
    ['a page', (_, __, response) => response.end('<!doctype html><p>Sign in')],
    ['nothing', (_, __, response) => response.end()],
    ['no end line', (p, _, response) => response.end(`${p}@1 0\nta\n`)],
    [
      'a cut',
      (p, _, response) => {
        response.writeHead(200, { 'content-length': '1000' })
        response.write(`${p}@1 0\nta\n.`, () => response.destroy())
      },
    ],
    [
      'what is not UTF-8',
      (p, _, response) =>
        response.end(Buffer.concat([Buffer.from(`${p}@1 0\nt`), Buffer.from([0xe9]), Buffer.from('\n.\n')])),
    ],
    [
      'a cut in a character',
      (p, _, response) => response.end(Buffer.concat([Buffer.from(`${p}@1 0\n.\n`), Buffer.from([0xc3])])),
    ],
    ['status 201', (p, _, response) => response.writeHead(201).end(`${p}@1 0\n.\n`)],
    ['status 403', (p, _, response) => response.writeHead(403).end(`${p}@1 0\n!closed {}\n.\n`)],
    ['a redirect', (_, __, response) => response.writeHead(307, { location: '/elsewhere' }).end()],
    ['too much', (p, _, response) => response.end(`${p}@1 0\nt${'a'.repeat(20_000)}\n.\n`)],
  ])('%s is a fault and brings no batch', async (_, answer) => {
    const { fault, batches, calls } = await exchange(await serve(answer))
    expect(fault).not.toBe('')
    expect(batches).toEqual([])
    expect(calls).toBe(1)
  })

  test('a server that is not there is a fault', async () => {
    const { fault } = await exchange(wireTo('http://127.0.0.1:9/'))
    expect(fault).toMatch(/fetch failed|TypeError/)
  })

  test('a body that never ends is left at the limit', async () => {
    let written = 0
    const wire = await serve((preamble, _, response) => {
      response.write(`${preamble}@1 0\nt`)
      const more = () => {
        while (!response.destroyed && (written += 1024) && response.write('a'.repeat(1024)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    })
    const { fault } = await exchange(wire)
    expect(fault).toContain('too large')
    expect(written).toBeLessThan(64 << 20)
  })

  test('closing aborts the request', async () => {
    const gone = vi.fn()
    const wire = await serve((_, request) => request.socket.on('close', gone))
    const seen = report()
    const arrived = vi.fn()
    const carrier = post(
      { ...wire, _fetch: (...args) => (arrived(), fetch(...args)) },
      'poll',
      '@1 0\n',
      seen.take,
      seen.closed,
    )
    await vi.waitFor(() => expect(arrived).toHaveBeenCalled())
    await turns()
    carrier._close(4004)
    await vi.waitFor(() => expect(gone).toHaveBeenCalled())
    expect(await seen.end()).toContain('Abort')
    expect(seen.batches).toEqual([])
  })

  test('fetch is called as the platform wants it', async () => {
    const options: RequestInit[] = []
    const wire = wireTo('http://nowhere.test/')
    wire._credentials = 'include'
    wire._fetch = function (this: unknown, _, init) {
      expect(this).toBeUndefined()
      options.push(init!)
      return Promise.reject(Error('no'))
    }
    await exchange(wire, 'stream')
    expect(options[0]).toMatchObject({ redirect: 'error', cache: 'no-store', credentials: 'include' })
    expect(options[0]!.headers).toEqual({ Accept: 'text/event-stream' })
  })
})

describe('event stream', () => {
  const event = (batch: string, preamble = '') =>
    [...(preamble + batch).split('\n').slice(0, -1), '.'].map((line) => `data:${line}\n`).join('') + '\n'

  /** An answer written in pieces of `size` bytes, each by itself. */
  const inPieces =
    (text: string | Buffer, size: number, end = true): Answer =>
    (preamble, _, response) => {
      const bytes = Buffer.from(typeof text === 'string' ? text.replace('PREAMBLE\n', preamble) : text)
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
      response.socket!.setNoDelay(true)
      const next = () => {
        const piece = pieces.shift()
        if (piece) response.write(piece, () => setImmediate(next))
        else if (end) response.end()
      }
      next()
    }

  const padding = `:${' '.repeat(200)}\n\n`
  const whole =
    padding + event('@1 0\n!opened {}\n', 'PREAMBLE\n') + event('@1 0\ntñandú 😀\nta\n') + ':\n\n' + event('@3 0\nt\n')
  const expected = ['@1 0\n!opened {}\n', '@1 0\ntñandú 😀\nta\n', '@3 0\nt\n']

  test.each([1, 2, 3, 7, 100, 100_000])('is read whatever its pieces: %i bytes', async (size) => {
    const { fault, batches } = await exchange(await serve(inPieces(whole, size)), 'stream')
    expect(batches).toEqual(expected)
    expect(fault).toBe('')
  })

  test('is read with CRLF, and in pieces that part CR and LF', async () => {
    for (const size of [1, 1000]) {
      const { batches } = await exchange(
        await serve(inPieces(whole.replaceAll('\n', '\r\n').replace('PREAMBLE\r\n', 'PREAMBLE\n'), size)),
        'stream',
      )
      expect(batches).toEqual(expected)
    }
  })

  test('brings a batch at once, not with the next one', async () => {
    const wire = await serve(inPieces(event('@1 0\ta\n'.replace('\t', '\nt'), 'PREAMBLE\n'), 1000, false))
    const seen = report()
    const carrier = post(wire, 'stream', '@1 0\n', seen.take, seen.closed)
    await seen.batch(1)
    expect(seen.batches).toEqual(['@1 0\nta\n'])
    carrier._close(4004)
  })

  test('an event without its end line, and a tail without its blank line, are discarded', async () => {
    const text =
      event('@1 0\nta\n', 'PREAMBLE\n') +
      'data:@2 0\ndata:tb\n\n' +
      event('@2 0\ntc\n') +
      'data:@3 0\ndata:td\ndata:.\n'
    const { batches, fault } = await exchange(await serve(inPieces(text, 1000)), 'stream')
    expect(batches).toEqual(['@1 0\nta\n', '@2 0\ntc\n'])
    expect(fault).toBe('')
  })

  test.each([
    ['no preamble', event('@1 0\nta\n')],
    ['another preamble', event('@1 0\nta\n', 'holdfast/1 stream AAAAAAAAAAAAAAAA\n')],
    ['a page', 'data:<html>\n\n'],
    ['a first event without end line', 'data:PREAMBLE\ndata:@1 0\n\n'],
    ['an event above the limit', event('@1 0\n', 'PREAMBLE\n') + `data:@1 0\ndata:t${'a'.repeat(20_000)}`],
  ])('%s is a fault', async (_, text) => {
    const { batches, fault } = await exchange(await serve(inPieces(text, 1000)), 'stream')
    expect(fault).not.toBe('')
    expect(batches.filter((b) => b !== '@1 0\n')).toEqual([])
  })
})

describe('WebSocket', () => {
  async function socketServer(connected: (socket: WebSocket) => void): Promise<Wire> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await new Promise<void>((resolve) => server.once('listening', resolve))
    server.on('connection', connected)
    closing.push(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    return wireTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/holdfast`)
  }

  test('carries text and binary both ways, and speaks first', async () => {
    const got: unknown[] = []
    const wire = await socketServer((socket) =>
      socket.on('message', (data: Buffer, binary) => {
        got.push(binary ? Uint8Array.from(data) : data.toString())
        socket.send(binary ? data : 'text ' + data.toString())
      }),
    )
    const seen = report()
    const carrier = openSocket(
      wire,
      () => {
        carrier._send!('@1 0\n')
        carrier._send!(new Uint8Array([64, 10, 255]))
      },
      seen.take,
      seen.closed,
    )
    await seen.batch(2)
    expect(got).toEqual(['@1 0\n', new Uint8Array([64, 10, 255])])
    expect(seen.batches).toEqual(['text @1 0\n', new Uint8Array([64, 10, 255])])
    expect(carrier._writable!()).toBe(true)
    carrier._close(4004)
    expect(await seen.end()).toMatch(/^closed/)
  })

  test('its end is reported, with what is known of it', async () => {
    const wire = await socketServer((socket) => socket.close(4001, 'superseded'))
    const seen = report()
    openSocket(wire, () => {}, seen.take, seen.closed)
    expect(await seen.end()).toBe('closed 4001 superseded')
  })

  test('a refused upgrade is reported', async () => {
    const wire = await serve((_, __, response) => response.writeHead(403).end())
    const seen = report()
    openSocket(wire, () => {}, seen.take, seen.closed)
    expect(await seen.end()).toBe('failed')
  })

  test('one that is closed while it connects does not throw', async () => {
    const wire = await socketServer(() => {})
    const seen = report()
    openSocket(wire, () => {}, seen.take, seen.closed)._close(4004)
    expect(await seen.end()).toBe('failed')
  })

  test('is not writable while the platform holds much that is not sent', () => {
    class Slow implements WebSocketLike {
      binaryType = ''
      bufferedAmount = 0
      onopen = null
      onmessage = null
      onclose = null
      onerror = null
      constructor(url: string) {
        expect(url).toBe('wss://host.test/holdfast?a=b')
      }
      send() {
        this.bufferedAmount += 40_000
      }
      close() {}
    }
    const carrier = openSocket(
      { ...wireTo('https://host.test/holdfast?a=b'), _WebSocket: Slow },
      () => {},
      () => {},
      () => {},
    )
    expect(carrier._writable!()).toBe(true)
    carrier._send!('@1 0\n')
    expect(carrier._writable!()).toBe(true)
    carrier._send!('@1 0\n')
    expect(carrier._writable!()).toBe(false)
  })
})
