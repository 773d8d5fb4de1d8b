// What the client learns of a transport: how paths over it live and die, and the size of batch that passes.

import { Limit, Rest, Rests, sound, type Machine, type Path, type Way } from './state.js'
import { blameless } from './wake.js'

/** The size of a batch below which there is none on account of the network. */
const floor = 512

/** Until a path is that old its transport is on probation, if it rested before (HF1-LIV-13). */
export const settledAt = (path: Path): number => path._openedAt + 60e3

/** Books the death of a path (HF1-LIV-09). */
export function died(m: Machine, path: Path): void {
  const way = path._way
  if (path._charged || blameless(m, path)) return
  if (!path._openedAt) way._failed = way !== sound(m)?._way // else it does open, if not this time
  else if (path._proven ? way._facts[Rests] && m._now < settledAt(path) : ++way._young > 1) takeRest(m, way)
}

/** Rests a transport: 20 s, doubling to 10 minutes. */
export function takeRest(m: Machine, way: Way): void {
  way._young = 0
  way._failed = false
  way._facts[Rest] = m._now + Math.min(20e3 * 2 ** way._facts[Rests]!++, 600e3)
}

/** The transport works here, for now. */
export function proved(way: Way): void {
  way._young = way._facts[Rest] = 0
  way._failed = false
}

/** The largest batch for a path; a small one while answers may be late (HF1-LIV-06). */
export const limitOf = (m: Machine, { _way }: Path): number => (m._slow > 2e3 ? floor : Math.max(_way._facts[Limit] || Infinity, floor))

/**
 * Books a batch that was made and ends with line `to`. One as large as the first does not take its place, or a flow that
 * never pauses would see none arrive.
 */
export function wrote(path: Path, size: number, to: number): void {
  if (size > path._underway) {
    path._underway = size
    path._underwayTo = to
  }
}

/** The path died, or the batch is known not to have arrived: halve (HF1-ATT-07). */
export function shrink(path: Path, told?: boolean): void {
  const { _facts, _before } = path._way
  if (path._underway > floor) {
    _facts[Limit] = path._underway >> 1
    if (told) _before[Limit] = _facts[Limit]
  }
  path._underway = 0
}

/** The peer has lines up to `ack`; each full batch that arrived lets the next be a little larger. */
export function carried(path: Path, ack: number): void {
  const facts = path._way._facts
  if (ack < path._underwayTo!) return
  if (path._underway > facts[Limit]! / 2) facts[Limit]! += facts[Limit]! >> 4
  path._underway = 0
}
