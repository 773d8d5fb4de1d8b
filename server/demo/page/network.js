// The network of this page: a fetch and a WebSocket that fail on demand. Only the client of this page
// uses them.
//
//   only       the one transport that works: 'websocket', 'sse', 'longpoll'; '' allows all
//   offline    every request fails at once, and open connections break
//   blackHole  nothing fails and nothing arrives. Open connections stay silent for ever, as after the
//              restart of a router; new ones get through when the hole closes, as when TCP tries again
//   cut()      breaks all open connections, once

/** Which requests a transport makes: a WebSocket, or POSTs of these kinds (docs/protocol.md section 3). */
const kinds = {
  websocket: ['socket'],
  sse: ['stream', 'up'],
  longpoll: ['open', 'poll', 'up'],
}

export class Network {
  #only = ''
  #offline = false
  #blackHole = false
  #open = new Set() // of connections: { kind, silent, break() }
  #delayed = [] // connections started in the hole, to be made when it closes

  constructor() {
    this.fetch = (input, init) => this.#request(input, init)
    this.WebSocket = faultySocket(this)
  }

  get only() { return this.#only }
  set only(transport) {
    this.#only = transport
    for (const connection of [...this.#open]) if (!this.#allows(connection.kind)) connection.break()
  }

  get offline() { return this.#offline }
  set offline(on) {
    this.#offline = on
    if (on) this.cut()
  }

  get blackHole() { return this.#blackHole }
  set blackHole(on) {
    this.#blackHole = on
    if (on) for (const connection of this.#open) connection.silent = true
    else for (const dial of this.#delayed.splice(0)) dial()
  }

  /** Breaks all open connections; returns their number. */
  cut() {
    const broken = [...this.#open]
    for (const connection of broken) connection.break()
    return broken.length
  }

  /** Returns a new connection, or undefined if it fails. */
  admit(kind, breakIt) {
    if (this.#offline || !this.#allows(kind)) return undefined
    const connection = { kind, silent: false, break: breakIt }
    this.#open.add(connection)
    return connection
  }

  /** Calls `dial` at once, or when the hole has closed. */
  pass(connection, dial) {
    if (!this.#blackHole) return dial()
    this.#delayed.push(() => { if (this.#open.has(connection)) dial() })
  }

  release(connection) {
    this.#open.delete(connection)
  }

  #allows(kind) {
    return !this.#only || kinds[this.#only].includes(kind)
  }

  #request(input, init) {
    const abort = new AbortController()
    let refuse
    const broken = new Promise((_, reject) => { refuse = reject })
    broken.catch(() => {})
    const breakIt = (error) => {
      this.release(connection)
      abort.abort()
      refuse(error)
    }
    const failed = () => new TypeError('network error')
    const connection = this.admit(/^holdfast\/1 (\w+)/.exec(init.body)?.[1] ?? '', () => breakIt(failed()))
    if (!connection) return Promise.reject(failed())
    init.signal?.addEventListener('abort', () => breakIt(init.signal.reason))
    const never = new Promise(() => {})
    const answered = async () => {
      await new Promise((resolve) => this.pass(connection, resolve))
      try {
        const answer = await fetch(input, { ...init, signal: abort.signal })
        return connection.silent ? never : this.#gated(answer, connection)
      } catch (error) {
        this.release(connection)
        return connection.silent ? never : Promise.reject(error)
      }
    }
    return Promise.race([answered(), broken])
  }

  /** An answer whose body stops, without an end, when the connection becomes silent. */
  #gated(answer, connection) {
    const gate = new TransformStream({
      transform: (chunk, controller) => { if (!connection.silent) controller.enqueue(chunk) },
      flush: () => {
        this.release(connection)
        return connection.silent ? new Promise(() => {}) : undefined
      },
    })
    const { status, statusText, headers } = answer
    return new Response(answer.body?.pipeThrough(gate), { status, statusText, headers })
  }
}

/** A WebSocket class that passes only what the network lets through. */
function faultySocket(network) {
  return class FaultySocket extends EventTarget {
    static CONNECTING = 0
    static OPEN = 1
    static CLOSING = 2
    static CLOSED = 3
    onopen = null
    onmessage = null
    onerror = null
    onclose = null
    #socket
    #connection
    #state = 0
    #binaryType = 'blob'

    constructor(url, protocols) {
      super()
      this.url = String(url)
      this.#connection = network.admit('socket', () => this.#die())
      if (!this.#connection) setTimeout(() => this.#die())
      else network.pass(this.#connection, () => this.#dial(url, protocols))
    }

    get readyState() { return this.#state }
    get bufferedAmount() { return this.#socket?.bufferedAmount ?? 0 }
    get protocol() { return this.#socket?.protocol ?? '' }
    get extensions() { return this.#socket?.extensions ?? '' }
    get binaryType() { return this.#binaryType }
    set binaryType(type) {
      this.#binaryType = type
      if (this.#socket) this.#socket.binaryType = type
    }

    send(data) {
      if (this.#state === 0) throw new DOMException('still connecting', 'InvalidStateError')
      if (this.#state === 1 && !this.#connection.silent) this.#socket.send(data)
    }

    close(code, reason) {
      if (this.#state > 1) return
      this.#state = 2
      if (this.#connection?.silent || !this.#socket) setTimeout(() => this.#die())
      else this.#socket.close(code, reason)
    }

    #dial(url, protocols) {
      const socket = protocols === undefined ? new WebSocket(url) : new WebSocket(url, protocols)
      this.#socket = socket
      socket.binaryType = this.#binaryType
      const unlessSilent = (then) => (event) => { if (!this.#connection.silent) then(event) }
      socket.onopen = unlessSilent(() => {
        this.#state = 1
        this.#emit(new Event('open'))
      })
      socket.onmessage = unlessSilent(({ data }) => this.#emit(new MessageEvent('message', { data })))
      socket.onerror = unlessSilent(() => this.#emit(new Event('error')))
      socket.onclose = unlessSilent(({ code, reason, wasClean }) => {
        network.release(this.#connection)
        if (this.#state === 3) return
        this.#state = 3
        this.#emit(new CloseEvent('close', { code, reason, wasClean }))
      })
    }

    /** Ends like a broken connection. */
    #die() {
      if (this.#state === 3) return
      this.#state = 3
      if (this.#connection) network.release(this.#connection)
      if (this.#socket) {
        this.#socket.onopen = this.#socket.onmessage = this.#socket.onerror = this.#socket.onclose = null
        this.#socket.close()
      }
      this.#emit(new Event('error'))
      this.#emit(new CloseEvent('close', { code: 1006, reason: '', wasClean: false }))
    }

    #emit(event) {
      this[`on${event.type}`]?.(event)
      this.dispatchEvent(event)
    }
  }
}
