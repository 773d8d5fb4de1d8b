// A WebSocket class to put in the place of the platform's: the same constructor, attributes,
// events, close codes and exceptions, over a session, so that no network shows.
// docs/websocket-compat.md has what differs, and how it travels.

import { connect } from './index.js'
import type { End, Options, Session } from './index.js'
import { bytesOf } from './wire/codec.js'

/**
 * The platform's, as long as nobody has put this one in its place; without one, what throws is a
 * transport that fails.
 */
const platform = globalThis.WebSocket ?? Math

/** What the attributes give. It is also the one listener that calls the handlers among them. */
interface Values {
  url: string
  readyState: number
  bufferedAmount: number
  extensions: string
  protocol: string
  binaryType: string
  handleEvent(event: Event): void
  [handler: `on${string}`]: unknown
}

/**
 * A task of its own for each event: none comes while a script runs, and whoever awaits one has time
 * before the next.
 */
const task = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => resolve(port1.close()) // an open port keeps Node from ending
    port2.postMessage(0)
  })

const refuse = (name: string): never => {
  throw new DOMException('', name + 'Error')
}
const want = ({ length }: IArguments): void => {
  if (!length) throw TypeError()
}
const scalars = (text: unknown): string => String(text).replace(/\p{Cs}/gu, '\ufffd')
/** The kind of an object, of whichever realm. */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)
const bytes = (text: string): number => new TextEncoder().encode(text).length

class Socket extends EventTarget {
  static options: Options = {}
  static override get name() {
    return 'WebSocket'
  }
  get [Symbol.toStringTag]() {
    return 'WebSocket'
  }

  #session: Session
  #values: Values
  /** Once a Blob was sent: what follows waits until it is read. */
  #queue: Promise<unknown> | undefined

  constructor(url: string | URL, protocols: string | string[] = []) {
    want(arguments)
    super()
    const list = ([] as string[]).concat(protocols).map(String)
    let href = ''
    try {
      href = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href.replace(/^http/, 'ws')
    } catch {}
    // The endpoint ends with a segment `holdfast` of the path, else with the path. What follows is
    // for the application.
    const parts = /^(wss?:\/\/[^/]+(?:[^?#]*?\/holdfast(?![^/?])|[^?#]*))\/?([^#]*)$/.exec(href)!
    if (!parts || new Set(list).size < list.length || !list.every((name) => /^[!#-'*+.\w^`|~-]+$/.test(name)))
      refuse('Syntax')
    const values: Values = (this.#values = {
      url: href,
      readyState: 0,
      bufferedAmount: 0,
      extensions: '',
      protocol: '',
      binaryType: 'blob',
      handleEvent: (event) => (values[`on${event.type}`] as Function | undefined)?.call?.(this, event),
    })
    const session = (this.#session = connect(parts[1]!, {
      buffer: Infinity, // as the platform's; `bufferedAmount` is for whoever wants to wait
      WebSocket: platform as typeof WebSocket,
      ...new.target.options,
      meta: { websocket: { protocols: list, url: parts[2] } },
      renew: false,
    }))
    const open = (protocol: string): void => {
      values.protocol = protocol
      this.#turn(1, new Event('open'))
    }
    const run = async () => {
      let end!: End
      await new Promise<unknown>((resolve) => {
        session.on('open', resolve)
        session.on('close', (given) => resolve((end = given)))
      })
      await task()
      if (!list[0] && session.id) open('')
      for await (const { data } of session) {
        await task()
        if (values.readyState === 1)
          this.dispatchEvent(
            new MessageEvent('message', {
              data:
                typeof data === 'string'
                  ? data
                  : values.binaryType === 'blob'
                    ? new Blob([data as BlobPart])
                    : data.buffer,
              origin: new URL(href).origin,
            }),
          )
        // The server's first message says which of the protocols it has chosen.
        else if (list.includes(data as string)) open(data as string)
        else this.#fail()
      }
      await task()
      const [, code, reason] = /^(?:(\d{4}) ?)?([^]*)$/.exec(end.reason)!
      const said = end.remote && end.code < 4200
      const failed = !said || !values.readyState
      this.#finish(failed, failed ? 1006 : +(code ?? 1000), said ? reason! : end.code + ' ' + end.reason)
    }
    void run()
  }

  /** Events come with a change of state, and states only rise. */
  #turn(state: number, ...events: Event[]): void {
    if (this.#values.readyState >= state) return
    this.#values.readyState = state
    for (const event of events) this.dispatchEvent(event)
  }

  /** Fails it unless it is open. */
  #fail(): void {
    if (this.#values.readyState) return
    this.#turn(2)
    this.#session.close(4100, '1006')
    void task().then(() => this.#finish(true, 1006, ''))
  }

  #finish(failed: boolean, code: number, reason: string): void {
    const fields = { code, reason, wasClean: code !== 1006 }
    const event = globalThis.CloseEvent ? new CloseEvent('close', fields) : Object.assign(new Event('close'), fields)
    this.#turn(3, ...(failed ? [new Event('error'), event] : [event]))
  }

  #then(act: () => unknown): void {
    // What cannot be sent ends it: a gap would be worse.
    const fail = () => this.#session.close(4100, '1009')
    if (this.#queue) this.#queue = this.#queue.then(act).catch(fail)
    else
      try {
        act()
      } catch {
        fail()
      }
  }

  send(data: any): void {
    want(arguments)
    const values = this.#values
    if (!values.readyState) refuse('InvalidState')
    let size = data?.size
    let payload: any
    if (/^(Blob|File)$/.test(tagOf(data))) {
      payload = data.arrayBuffer()
      this.#queue ??= payload
    } else if (ArrayBuffer.isView(data) || tagOf(data) === 'ArrayBuffer') {
      payload = bytesOf(data).slice()
      size = payload.length
    } else size = bytes((payload = scalars(data)))
    values.bufferedAmount += size
    const give = (given: string | Uint8Array): void => {
      this.#session.send(given)
      this.#session.drained().then(
        () => (values.bufferedAmount -= size),
        () => {},
      )
    }
    if (values.readyState < 2)
      this.#then(() => (payload.then ? payload.then((read: ArrayBuffer) => give(new Uint8Array(read))) : give(payload)))
  }

  /** `close(code?, reason?)`. Its length is 0, as the platform's. */
  close(): void {
    const [code, given = ''] = arguments as unknown as unknown[]
    const reason = scalars(given)
    const round = code === undefined ? 1005 : Math.round(code as number)
    if (code !== undefined && round !== 1000 && !(round > 2999 && round < 5000)) refuse('InvalidAccess')
    if (bytes(reason) > 123) refuse('Syntax')
    this.#fail()
    if (this.#values.readyState < 2) this.#then(() => this.#session.close(4100, round + ' ' + reason))
    this.#turn(2)
  }

  static {
    const { prototype } = this
    const define = (target: object, name: string, descriptor: PropertyDescriptor) =>
      Object.defineProperty(target, name, { enumerable: true, ...descriptor })
    for (const target of [this, prototype])
      ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].forEach((name, value) => define(target, name, { value }))
    const names =
      'url readyState bufferedAmount onopen onerror onclose extensions protocol close onmessage binaryType send'
    for (const name of names.split(' '))
      define(
        prototype,
        name,
        name in prototype
          ? {}
          : {
              configurable: true,
              get(this: Socket) {
                return (this.#values as any)[name] ?? null
              },
              ...(/^on|T/.test(name) && {
                set(this: Socket, value: any) {
                  const values = this.#values as any
                  if (name > 'o') {
                    values[name] = value = Object(value) === value ? value : null
                    this[value ? 'addEventListener' : 'removeEventListener'](name.slice(2), values)
                  } else if (value === 'blob' || value === 'arraybuffer') values[name] = value
                },
              }),
            },
      )
  }
}

/**
 * The platform's WebSocket, over a session: what is sent while a connection breaks arrives
 * nonetheless, once and in order. `options` are those of the sessions that it makes; `meta` and
 * `renew` are its own.
 */
export const WebSocket = Socket as unknown as typeof globalThis.WebSocket & { options: Options }
export type WebSocket = globalThis.WebSocket
