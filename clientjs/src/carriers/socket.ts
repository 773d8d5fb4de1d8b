import type { Carrier, Closed, Take, Wire } from './carrier.js'

/** With more waiting in the platform's buffer a batch is better kept where it can be re-routed. */
const highWater = 65536

/**
 * Dials a WebSocket; `ready` is called once it can be written. Throws what its constructor throws.
 */
export function openSocket(wire: Wire, ready: () => void, take: Take, closed: Closed): Carrier {
  const socket = new wire._WebSocket('ws' + wire._url)
  socket.binaryType = 'arraybuffer'
  // HF1-WSK-01: the client writes first.
  socket.onopen = ready
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) =>
    take(typeof data === 'string' ? data : new Uint8Array(data))
  socket.onclose = ({ code, reason }: CloseEvent) => closed(`closed ${code} ${reason}`)
  // The ws package throws what no handler takes. The platform gives scripts no more than this.
  socket.onerror = () => closed('failed')
  return {
    _writable: () => socket.bufferedAmount < highWater,
    _send: (batch) => socket.send(batch),
    _close: (code) => socket.close(code),
  }
}
