// Names and numbers as text.

const names = { websocket: 'WebSocket', sse: 'Event stream', longpoll: 'Long poll' }

/** The name of a transport, as the first word of a sentence. */
export const nameOf = (transport) => names[transport] ?? 'Nothing'

/** A span of milliseconds, roughly. */
export function span(ms) {
  if (ms < 1) return 'under 1\u00a0ms'
  if (ms < 1000) return `${Math.round(ms)}\u00a0ms`
  if (ms < 10e3) return `${(ms / 1000).toFixed(1)}\u00a0s`
  if (ms < 120e3) return `${Math.floor(ms / 1000)}\u00a0s`
  if (ms < 7200e3) return `${Math.floor(ms / 60e3)}\u00a0min`
  return `${Math.floor(ms / 3600e3)}\u00a0h`
}

/** Whole seconds, minutes or hours, for values that count up. */
export const age = (ms) => span(Math.max(1000, Math.floor(ms / 1000) * 1000)).replace(/\.\d/, '')

/** A size in bytes, roughly. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes}\u00a0bytes`
  if (bytes < 1e6) return `${Math.round(bytes / 1000)}\u00a0kB`
  return `${(bytes / 1e6).toFixed(1)}\u00a0MB`
}

/** "1 message", "2 messages". */
export const count = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`

/** The meaning of a close code, for visitors (docs/protocol.md section 13). */
export function meaning({ code, reason }) {
  const known = {
    4100: 'it was closed in good order',
    4200: 'the server is being restarted',
    4201: 'it was out of touch for too long',
    4202: 'the server could not go on with it',
    4203: 'this page was too slow',
    4204: 'the server no longer knows it, probably after a restart',
    4301: 'the server did not accept the credentials',
    4306: 'the server does not accept this page’s origin',
  }
  return known[code] ?? `${reason || 'no reason given'}, code ${code}`
}
