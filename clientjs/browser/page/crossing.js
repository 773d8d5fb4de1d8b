// Runs in the page: sends the sequence it is given, and books the one that comes. No module, so
// that it can be injected; no crypto.subtle, since a page over plain http with a name has none.

globalThis.Sha256 = class {
  #state = new Uint32Array([
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  ])
  #block = new Uint8Array(64)
  #words = new Uint32Array(64)
  #length = 0

  update(bytes) {
    for (const byte of bytes) {
      this.#block[this.#length++ % 64] = byte
      if (this.#length % 64 === 0) this.#compress()
    }
    return this
  }

  hex() {
    const bits = this.#length * 8
    this.update([0x80])
    while (this.#length % 64 !== 56) this.update([0])
    const tail = new DataView(new ArrayBuffer(8))
    tail.setUint32(0, Math.floor(bits / 2 ** 32))
    tail.setUint32(4, bits % 2 ** 32)
    this.update(new Uint8Array(tail.buffer))
    return [...this.#state].map((word) => word.toString(16).padStart(8, '0')).join('')
  }

  #compress() {
    const w = this.#words
    const view = new DataView(this.#block.buffer)
    const turn = (x, n) => (x >>> n) | (x << (32 - n))
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = view.getUint32(4 * i)
      else {
        const a = w[i - 15]
        const b = w[i - 2]
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))
      }
    }
    let [a, b, c, d, e, f, g, h] = this.#state
    for (let i = 0; i < 64; i++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + roots[i] + w[i]) | 0
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0]
    }
    ;[a, b, c, d, e, f, g, h].forEach((word, i) => {
      this.#state[i] += word
    })
  }
}

/** The fractional parts of the cube roots of the first 64 primes, in 32 bits. */
const roots = (() => {
  const primes = []
  for (let n = 2n; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n)
  return primes.map((p) => {
    // The integer cube root of p·2^96, whose low 32 bits are the fraction.
    let low = 0n
    let high = 1n << 40n
    while (high - low > 1n) {
      const middle = (low + high) / 2n
      if (middle ** 3n <= p << 96n) low = middle
      else high = middle
    }
    return Number(low & 0xffffffffn)
  })
})()

globalThis.crossing = (() => {
  const hash = new Sha256()
  const missing = new Set()
  const state = {
    sent: 0,
    received: 0,
    duplicated: 0,
    outOfOrder: 0,
    pictures: 0,
    transports: [],
    traces: [],
    end: undefined,
    errors: [],
  }
  let expected = 1
  let session
  let network

  /** Messages of a sequence file. */
  function* decode(bytes) {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const view = new DataView(bytes.buffer)
    for (let at = 0; at < bytes.length;) {
      const length = view.getUint32(at + 1)
      const body = bytes.slice(at + 5, at + 5 + length)
      yield bytes[at] === 116 ? decoder.decode(body) : body
      at += 5 + length
    }
  }

  function take({ data }) {
    const text = typeof data === 'string'
    const bytes = text ? new TextEncoder().encode(data) : data
    const head = new DataView(new ArrayBuffer(5))
    head.setUint8(0, text ? 116 : 98)
    head.setUint32(1, bytes.length)
    hash.update(new Uint8Array(head.buffer)).update(bytes)
    const where = text ? data.slice(-12) : String.fromCharCode(...data.slice(0, 80))
    book(Number(/#(\d+)(?:$|\0)/.exec(where)?.[1] ?? 0))
    if (!text) look(bytes)
  }

  function book(number) {
    state.received++
    if (missing.delete(number)) state.outOfOrder++
    else if (number < expected) state.duplicated++
    else {
      for (; expected < number; expected++) missing.add(expected)
      expected++
    }
  }

  /** A picture that arrived must be one that the browser can show. */
  function look(bytes) {
    createImageBitmap(new Blob([bytes], { type: 'image/png' })).then(
      (bitmap) => {
        state.pictures++
        bitmap.close()
      },
      (error) => state.errors.push(`picture: ${error}`),
    )
  }

  return {
    async start(pace) {
      const { Network } = await import('/demo/network.js')
      const up = decode(new Uint8Array(await (await fetch('/up')).arrayBuffer()))
      network = new Network()
      session = Holdfast.connect('/holdfast', { fetch: network.fetch, WebSocket: network.WebSocket, meta: 'crossing' })
      session.on('message', take)
      session.on('transport', ({ transport }) => state.transports.push(transport ?? ''))
      session.on('trace', (step) => state.traces.push(step))
      session.on('renew', (end) => state.errors.push(`renewed: ${end.code} ${end.reason}`))
      session.on('close', (end) => {
        state.end = end
      })
      const timer = setInterval(() => {
        const { value, done } = up.next()
        if (done) return clearInterval(timer)
        session.send(value)
        state.sent++
      }, pace)
    },
    force(transport) {
      network.only = transport
    },
    cut: () => network.cut(),
    close() {
      session.close()
    },
    drained: () => session.drained(),
    report: () => ({
      ...state,
      lost: missing.size,
      id: session.id,
      transport: session.transport ?? '',
      state: session.state,
      attaches: state.traces.filter((t) => t.what === 'opened').length,
    }),
    /** The hash can be asked for once, at the end. */
    hash: () => hash.hex(),
  }
})()
