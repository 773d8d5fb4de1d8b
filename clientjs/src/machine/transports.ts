// What is known of one transport: its cooldown, early failures, and the size of batch that passes.

import { Cooldown, Cooldowns, Limit, type Attachment, type Machine, type TransportState } from './state.js'

/** A smaller batch is never made on account of the network. */
const minBatch = 512

/** Starts a cooldown of 20 s, doubling to 10 minutes. */
export function startCooldown(m: Machine, transport: TransportState): void {
  transport._earlyFailures = 0
  transport._failed = false
  transport._learned[Cooldown] = m._now + Math.min(20e3 * 2 ** transport._learned[Cooldowns]!++, 600e3)
}

/** Notes that the attachment in use works. So what did not open meanwhile is at fault itself. */
export function noteWorking(m: Machine, { _validated, _penalized, _transport }: Attachment): void {
  if (_validated && !_penalized) m._learning._best = _transport
  for (const other of m._transports) if (other._failed && other !== _transport) startCooldown(m, other)
}

/** The largest batch for an attachment; a small one while answers may be late (HF1-LIV-06). */
export const batchLimit = (m: Machine, { _transport }: Attachment): number =>
  m._liveness._guessedTimeout > 2e3 ? minBatch : Math.max(_transport._learned[Limit] || Infinity, minBatch)

/** The batch may not have arrived: halve the limit until a pong tells more (HF1-ATT-07). */
export function lost({ _transport, _written }: Attachment): void {
  if (_written._inFlight > minBatch) _transport._learned[Limit] = _written._inFlight >> 1
  _written._inFlight = 0
}

/** The batch is known not to have arrived: halve the limit for good (HF1-ATT-07). */
export function refused(attachment: Attachment): void {
  if (attachment._written._inFlight > minBatch)
    attachment._transport._before[Limit] = attachment._written._inFlight >> 1
  lost(attachment)
}

/**
 * The peer has lines up to `ack`; each full batch that arrived lets the next be a little larger.
 */
export function acknowledged({ _transport, _written }: Attachment, ack: number): void {
  if (ack < _written._to!) return
  if (_written._inFlight > _transport._learned[Limit]! / 2)
    _transport._learned[Limit]! += _transport._learned[Limit]! >> 4
  _written._inFlight = 0
}
