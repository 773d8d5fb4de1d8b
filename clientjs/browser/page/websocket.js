// What a WebSocket class does, as a list of observations: each check returns something that JSON
// can hold, and is made of the platform's class and of ours with the same backend. What differs is
// a difference. Its tools are in websocketTools.js. No module, so that it can be injected.

globalThis.webSocketChecks = (() => {
  const { pause, next, outcome, ready, story, echoed, hex } = webSocketTools

  const closes = ['1000&reason=done', '1001', '1011&reason=ouch', '3000', '4999&reason=%C3%A9', '1005']

  /** [name, check of a class and the URL of the backend]. */
  const checks = {
    'names and lengths': (W) => [
      W.name, W.length, W.prototype.send.length, W.prototype.close.length, `${W.prototype}`,
      Object.getPrototypeOf(W) === EventTarget,
    ],
    'constants': (W) =>
      ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].map((name) =>
        [W, W.prototype].map((target) => Object.getOwnPropertyDescriptor(target, name)),
      ),
    'members of the prototype': (W) =>
      Object.entries(Object.getOwnPropertyDescriptors(W.prototype))
        .map(([name, { enumerable, configurable, writable, get, set, value }]) => [
          name, enumerable, configurable, writable, typeof get, typeof set, name !== 'constructor' && typeof value,
        ])
        .sort((a, b) => (a[0] < b[0] ? -1 : 1)),
    'own properties of the class': (W) => Object.getOwnPropertyNames(W).sort(),
    'no own properties of a socket': async (W, url) => Reflect.ownKeys((await ready(new W(url + 'echo')))),
    'without new, and without arguments': (W, url) => [
      outcome(() => W(url)), outcome(() => new W()), outcome(() => W.prototype.url),
      outcome(() => W.prototype.send('a')), outcome(() => W.prototype.close()),
    ],
    'URLs': (W) =>
      [
        '/path', 'path?a=b', '?q', '//host.test/', 'http://host.test/', 'HTTPS://HOST.test:443/%7e',
        'wss://host.test:443', 'ws://host.test:80/a b/é?ü', 'ws://user:word@host.test/', 'ws://host.test/#',
        'ws://host.test/#a', 'ws://', 'ws:host.test', 'mailto:a@b', 'ftp://host.test/', 'about:blank',
        'blob:ws://host.test/', '\u0000', 'ws://[::1]/', 'ws://a b/', 'ws://host.test:99999/',
        { toString: () => 'ws://host.test/o' }, new URL('ws://host.test/u'), null, undefined,
      ].map((given) =>
        outcome(() => {
          const socket = new W(given)
          socket.close()
          return socket.url.replace(/:\d{4,5}/, ':PORT')
        }),
      ),
    'protocols': (W) =>
      [
        '', 'a', ' ', 'a b', 'a,b', 'a/b', 'a:b', 'é', '\u007f', '\u0000', "!#$%&'*+-.^_`|~", '{}', '"a"', '(a)', [],
        ['a', 'b'], ['a', 'a'], ['a', ''], null, undefined, 1, {}, [1], [null],
      ].map((given) => [
        `${given}`,
        outcome(() => {
          new W('ws://host.test/', given).close()
          return 'passes'
        }),
      ]),
    'protocols that differ in case': (W) => outcome(() => void new W('ws://host.test/', ['a', 'A']).close()),
    'protocols in a Set': (W) => outcome(() => new W('ws://host.test/', new Set(['a', 'b'])).close()),
    'attributes at first': (W, url) => {
      const s = new W(url + 'echo')
      return [
        s.readyState, s.bufferedAmount, s.extensions, s.protocol, s.binaryType, s.onopen, s.onmessage, s.onerror,
        s.onclose,
      ]
    },
    'attributes that cannot be set': async (W, url) => {
      const s = new W(url + 'echo')
      return ['url', 'readyState', 'bufferedAmount', 'extensions', 'protocol'].map((name) => outcome(() => {
        'use strict'
        s[name] = 7
        return 'silent'
      }))
    },
    'binaryType': (W, url) => {
      const s = new W(url + 'echo')
      return ['arraybuffer', 'nodebuffer', '', 'Blob', null, 1, 'blob'].map((value) => {
        s.binaryType = value
        return s.binaryType
      })
    },
    'while it connects': (W, url) => {
      const s = new W(url + 'echo')
      return [
        outcome(() => s.send()), outcome(() => s.send('a')), outcome(() => s.send(new Blob(['a']))), s.bufferedAmount,
        outcome(() => s.close(999)), outcome(() => s.close(1000, 'x'.repeat(124))), s.readyState,
      ]
    },
    'close while it connects': (W, url) => {
      const socket = new W(url + 'echo')
      return story(socket, () => {
        socket.close(3000, 'never mind')
        return pause(0)
      })
    },
    'open event': async (W, url) => {
      const socket = new W(url + 'echo')
      const e = await next(socket, 'open')
      return [
        e.type, e.constructor.name, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.target === socket,
        socket.readyState, socket.extensions, socket.protocol, socket.bufferedAmount,
      ]
    },
    'message event': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      socket.send('a')
      const e = await next(socket, 'message')
      return [
        e.type, e.constructor.name, e instanceof MessageEvent, e.bubbles, e.cancelable, e.data,
        e.origin === url.slice(0, url.indexOf('/', 5)), e.lastEventId, e.source, e.ports.length,
      ]
    },
    'close event': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      socket.close(3333, 'bye')
      const e = await next(socket, 'close')
      return [
        e.type, e.constructor.name, e instanceof CloseEvent, e.bubbles, e.cancelable, e.code, e.reason, e.wasClean,
      ]
    },
    'events are trusted': async (W, url) => (await next(new W(url + 'echo'), 'open')).isTrusted,
    'texts': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const got = []
      for (const text of [
        'a', '', 'é\u0000\ufeff\u2028\r\n\\', '\ufeffa', '🎈\ud800x\udc00', 'x'.repeat(70000), 17, null, undefined,
        { toString: () => 'object' }, ['a', 'b'],
      ]) got.push(await echoed(socket, text))
      return got
    },
    'binary': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const bytes = new Uint8Array([0, 1, 2, 253, 254, 255])
      const got = []
      for (const type of ['blob', 'arraybuffer']) {
        socket.binaryType = type
        for (const data of [
          bytes, bytes.buffer, bytes.subarray(1, 3), new DataView(bytes.buffer, 2, 2), new Uint16Array(bytes.buffer),
          new Blob([bytes, 'text']), new ArrayBuffer(0), new Blob([]),
        ]) {
          const answer = await echoed(socket, data)
          got.push([answer.constructor.name, await hex(answer)])
        }
      }
      return got
    },
    'order of texts, blobs and buffers, as they were when they were sent': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const all = []
      const done = new Promise((resolve) => { socket.onmessage = ({ data }) => all.push(data) === 8 && resolve() })
      const bytes = new Uint8Array([1, 2, 3])
      socket.send('a')
      socket.send(new Blob(['x'.repeat(50000)]))
      socket.send(bytes)
      socket.send('b')
      socket.send(new Blob(['c']))
      socket.send(new Blob([]))
      socket.send('d')
      socket.send(bytes.buffer)
      bytes.fill(9)
      await done
      const short = (data) => (typeof data === 'string' ? data : data.size > 9 ? data.size : hex(data))
      return Promise.all(all.map(async (data) => short(data)))
    },
    'binaryType counts when the message comes': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      socket.send(new Uint8Array(2))
      socket.binaryType = 'arraybuffer'
      return (await next(socket, 'message')).data.constructor.name
    },
    'bufferedAmount rises at once and falls': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const seen = []
      for (const data of ['abc', 'é', new Blob(['four']), new ArrayBuffer(5), new Uint8Array(6)]) {
        socket.send(data)
        seen.push(socket.bufferedAmount)
      }
      for (let i = 0; i < 5; i++) await next(socket, 'message')
      for (let i = 0; i < 100 && socket.bufferedAmount; i++) await pause(20)
      return [seen, socket.bufferedAmount]
    },
    'send after close counts for good': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      socket.close()
      socket.send('abc')
      const before = socket.bufferedAmount
      await next(socket, 'close')
      socket.send(new Blob(['de']))
      await pause(50)
      return [before, socket.bufferedAmount, outcome(() => socket.send())]
    },
    'arguments of close': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const codes = [0, 1, 999, 1001, 1005, 1006, 2999, 5000, 65535, 66536, -1, NaN, null, 'a', {}, '', true]
      return codes.map((code) => [`${code}`, outcome(() => socket.close(code))]).concat([
        [outcome(() => socket.close(1000, 'é'.repeat(62))), socket.readyState],
      ])
    },
    'close without a code, with a reason that is too long': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      return outcome(() => socket.close(undefined, 'x'.repeat(124)))
    },
    'close()': async (W, url) => story(await ready(new W(url + 'echo')), (s) => s.close()),
    'close(undefined)': async (W, url) => story(await ready(new W(url + 'echo')), (s) => s.close(undefined)),
    'close(1000)': async (W, url) => story(await ready(new W(url + 'echo')), (s) => s.close(1000)),
    'close("4999", a reason of 123 bytes)': async (W, url) =>
      story(await ready(new W(url + 'echo')), (s) => s.close('4999', 'é'.repeat(61) + 'x')),
    'close(3000.4, a lone surrogate)': async (W, url) =>
      story(await ready(new W(url + 'echo')), (s) => s.close(3000.4, '\ud800')),
    'close twice': async (W, url) => story(await ready(new W(url + 'echo')), (s) => {
      s.close(3001, 'a')
      s.close(3002, 'b')
    }),
    'close after the end': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const lines = await story(socket, (s) => s.close())
      socket.close()
      return [lines, socket.readyState, outcome(() => socket.close(1))]
    },
    'no messages after close': async (W, url) => story(await ready(new W(url + 'echo')), (s) => {
      s.send('a')
      s.close()
    }),
    'the backend has everything before the close': async (W, url) => {
      const id = `${Math.random()}`
      const socket = await ready(new W(`${url}seen?id=${id}`))
      socket.send('a')
      socket.send(new Blob(['b']))
      socket.send('c')
      socket.close(4321, 'why')
      await next(socket, 'close')
      for (let i = 0; i < 100; i++) {
        const seen = await (await fetch(`/backend/seen?id=${id}`)).json()
        if (seen) return seen
        await pause(20)
      }
    },
    ...Object.fromEntries(closes.map((query) =>
      [`the backend closes with ${query}`, (W, url) => story(new W(`${url}close?code=${query}`))])),
    'the backend breaks the connection': (W, url) => story(new W(url + 'drop')),
    'the backend refuses': (W, url) => story(new W(url + 'refuse')),
    'the backend refuses, with protocols': (W, url) => story(new W(url + 'refuse', 'a')),
    'the first protocol is chosen': async (W, url) => {
      const socket = await ready(new W(url + 'echo', ['a', 'b']))
      return [socket.protocol, await echoed(socket, 'x')]
    },
    'no protocol is chosen': async (W, url) => story(new W(url + 'none', 'a'), async (s) => (await ready(s)).close()),
    'a protocol is chosen that nobody offered': (W, url) =>
      story(new W(url + 'other', 'a'), async (s) => (await ready(s)).close()),
    'a protocol is chosen where none was offered': (W, url) =>
      story(new W(url + 'other'), async (s) => (await ready(s)).close()),
    'query and protocols reach the backend': async (W, url) => {
      const { data } = await next(new W(url + 'info?a=b&c=%20%2F', ['x', 'y']), 'message')
      return JSON.parse(data).slice(0, 2)
    },
    'cookies, Origin and User-Agent reach the backend': async (W, url) => {
      document.cookie = 'check=1'
      const [, , cookie, origin, agent] = JSON.parse((await next(new W(url + 'info'), 'message')).data)
      return [cookie.includes('check=1'), origin === location.origin, agent === navigator.userAgent]
    },
    'handlers that are no functions': (W, url) => {
      const socket = new W(url + 'echo')
      const object = { handleEvent() {} }
      return [1, 'x', true, undefined, null, object, (() => {})].map((value) => {
        socket.onopen = value
        return [socket.onopen === value, socket.onopen === null, typeof socket.onopen]
      })
    },
    'the place of a handler among the listeners': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const lines = []
      socket.addEventListener('message', () => lines.push(1))
      socket.onmessage = () => lines.push(2)
      socket.addEventListener('message', () => lines.push(3))
      socket.onmessage = function () { lines.push(this === socket ? 4 : 5) }
      await echoed(socket, 'a')
      socket.onmessage = null
      await echoed(socket, 'a')
      socket.onmessage = () => lines.push(6)
      await echoed(socket, 'a')
      return lines
    },
    'a handler that throws, an object that cannot be called': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      const lines = []
      const told = (event) => {
        lines.push('reported')
        event.preventDefault()
      }
      addEventListener('error', told)
      socket.onmessage = () => { throw Error('check') }
      socket.addEventListener('message', () => lines.push('next'))
      await echoed(socket, 'a')
      socket.onmessage = {}
      await echoed(socket, 'b')
      removeEventListener('error', told)
      return lines
    },
    'no events while a script runs': async (W, url) => {
      const lines = []
      const socket = new W(url + 'echo')
      socket.onopen = () => lines.push('open')
      const end = performance.now() + 300
      while (performance.now() < end);
      const request = new XMLHttpRequest()
      request.open('GET', '/', false)
      request.send()
      lines.push('script')
      if (!lines.includes('open')) await next(socket, 'open')
      return lines
    },
    'each event in a task of its own': async (W, url) => {
      const socket = new W(url + 'close?code=1000')
      const lines = []
      socket.onmessage = async ({ data }) => {
        lines.push(data)
        for (let i = 0; i < 5; i++) await undefined
        lines.push(`after ${data}`)
      }
      await next(socket, 'close')
      return lines
    },
    'readyState follows the events': async (W, url) => {
      const socket = new W(url + 'echo')
      const lines = [socket.readyState]
      await next(socket, 'open')
      lines.push(socket.readyState)
      socket.close()
      lines.push(socket.readyState)
      await next(socket, 'close')
      return [...lines, socket.readyState]
    },
    'a subclass': async (W, url) => {
      class Mine extends W {
        get url() { return 'mine' }
        extra() { return this.readyState }
      }
      const socket = new Mine(url + 'echo')
      await ready(socket)
      return [socket instanceof W, socket instanceof EventTarget, socket.url, socket.extra(), await echoed(socket, 'a')]
    },
    'events that a page dispatches': async (W, url) => {
      const socket = new W(url + 'echo')
      const lines = []
      socket.onmessage = ({ data }) => lines.push(data)
      socket.dispatchEvent(new MessageEvent('message', { data: 'own' }))
      return [...lines, socket.readyState]
    },
    'a message of a megabyte': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      return (await echoed(socket, new Uint8Array(1 << 20))).size
    },
    'a message above the limit of the server': async (W, url) => {
      const socket = await ready(new W(url + 'echo'))
      socket.send(new Uint8Array((1 << 20) + 1))
      return Promise.race([
        next(socket, 'message').then(({ data }) => data.size),
        next(socket, 'close').then(({ code }) => `closed ${code}`),
      ])
    },
  }

  /** One check. Its sockets are closed afterwards: a browser has few connections for a host. */
  const observe = async (name, W, url) => {
    const made = []
    const Tracked = new Proxy(W, {
      construct(target, given, newTarget) {
        const socket = Reflect.construct(target, given, newTarget)
        made.push(socket)
        return socket
      },
    })
    const late = pause(20_000).then(() => 'no answer within 20 s')
    const result = Promise.resolve().then(() => checks[name](Tracked, url)).catch((error) => `fails: ${error}`)
    const seen = JSON.stringify(await Promise.race([result, late])) ?? 'undefined'
    for (const socket of made) socket.close()
    return seen
  }

  return {
    /** Runs all checks, four at a time; returns name → observation as JSON. */
    async run(W, url) {
      const found = {}
      const names = Object.keys(checks)
      const worker = async () => {
        for (let name; (name = names.shift()); ) found[name] = await observe(name, W, url)
      }
      await Promise.all([worker(), worker(), worker(), worker()])
      return found
    },
  }
})()
