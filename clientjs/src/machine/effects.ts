// What the host is to do: effects in their order, and the time of the next look at the clock.

import type { Step } from '../types.js'
import type { Attachment, Host, Machine } from './state.js'

export function emit(m: Machine, effect: (host: Host) => void): void {
  m._effects.push(effect)
}

/** Emits a trace. What is worth one may change what other rules have judged. */
export function trace(m: Machine, what: Step, { _transport, _att }: Attachment, reason = ''): void {
  const step = { what, transport: _transport._name, attachment: _att, reason, time: m._now }
  m._again = true
  emit(m, (host) => host._trace(step))
}

/** Whether the time has come. If not, it is a deadline to wake for. */
export function due(m: Machine, at = 0): boolean {
  if (at > m._now) m._deadline = Math.min(m._deadline || at, at)
  return !!at && at <= m._now
}
