// How long to wait: before the next attempt to connect, and for an answer.

import { clamp, type Machine } from './state.js'

/** Starts the race over at `at`; 0: none is planned, since an attachment is in use. */
export function startRace(m: Machine, at = 0): void {
  m._race._at = at
  for (const transport of m._transports) transport._tried = false
}

/** The network was away, or the client: what was refused for its age may be had anew. */
export const forgetRefusal = (m: Machine) => (m._refusals._reauthed = false)

/** A random time in 0 … min(30 s, 0.5 s × 2^tries) (HF1-LIV-12). */
export const backoff = (m: Machine) => Math.min(30e3, 500 * 2 ** m._race._tries) * m._config._random()

/**
 * Every transport was tried and has failed: wait, then try all again. The network is away, so none
 * of them is at fault.
 */
export function allFailed(m: Machine): void {
  m._race._tries++
  startRace(m, m._now + backoff(m))
  for (const transport of m._transports) transport._failed = false
  forgetRefusal(m)
}

/** The head start of an attempt before the next one (HF1-LIV-10). */
export const attemptDelay = (m: Machine): number => clamp(2 * m._liveness._rtt, 250, 1e3)

/** How long an attempt may take before it counts as one that hangs. */
export const attemptTimeout = (m: Machine): number => Math.max(2e3, 4 * m._liveness._rtt)

/** How long lines may go without any sign that they arrive. */
export const responseTimeout = (m: Machine): number => Math.max(attemptTimeout(m), m._liveness._guessedTimeout)

/**
 * Nothing was answered in time: wait three times as long until the round trip is measured anew
 * (HF1-LIV-06).
 */
export function growTimeout(m: Machine): void {
  m._liveness._guessedTimeout = Math.min(3 * responseTimeout(m), 10e3)
}
