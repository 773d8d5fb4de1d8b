// What the client learns of a transport: how paths over it live and die, and the size of batch that passes.

import { clamp, maxBatchBound, type Machine, type Path, type Way } from './state.js'

const floor = 1024

/** Books the death of a path (HF1-LIV-09). */
export function died(m: Machine, path: Path): void {
  const way = path._way
  if (path._proven) return
  if (path._state === 'opening') way._failed = true
  else if (++way._young > 1) takeRest(m, way)
}

/** Rests a transport: 20 s, doubling to 10 minutes. */
export function takeRest(m: Machine, way: Way): void {
  way._young = 0
  way._failed = false
  way._rest = m._now + Math.min(20e3 * 2 ** way._rests++, 600e3)
}

/** The transport works here. */
export function proved(way: Way): void {
  way._young = way._rests = way._rest = 0
  way._failed = false
}

/** The path died with a batch under way: halve (HF1-ATT-07). */
export function shrink({ _way, _batch }: Path): void {
  if (_batch > floor) {
    _way._limit = Math.max(_batch >> 1, floor)
    _way._full = 0
  }
}

/** An ack tells that batches arrived; after 64 full ones the size may double. */
export function carried(path: Path, ack: number): void {
  const way = path._way
  if (!path._batch || ack < path._batchTo) return
  if (path._batch > way._limit / 2 && ++way._full > 63) {
    way._limit = clamp(way._limit * 2, 0, maxBatchBound)
    way._full = 0
  }
  path._batch = 0
}
