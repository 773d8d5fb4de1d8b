// What became of the numbered messages of one direction, and the verdict on it.

/**
 * What every cell has to keep. A loaded machine adds to both times: `task zoo:ci` reports against
 * these limits and fails at its own.
 */
export const limits = { firstMs: 1500, stallMs: 5000 }

/**
 * When each message is to be sent, in milliseconds from the start: ten a second in two stretches,
 * with a silence between them.
 */
export function due([on, silence, again]) {
  const stretch = (from, seconds) => Array.from({ length: seconds * 10 }, (_, n) => from + n * 100)
  return [...stretch(0, on), ...stretch((on + silence) * 1000, again)]
}

/**
 * The books of one direction. `arrived` is [[number, time, whole], …] in the order of arrival,
 * `t0` is when message 0 was due, `now` is the end of the run. `stallMs` is the most that any
 * message was late; a lost one is late until `now`.
 */
export function books(dues, arrived, t0, now) {
  const seen = new Set()
  const result = { sent: dues.length, received: 0, lost: 0, duplicated: 0, outOfOrder: 0, altered: 0, stallMs: 0 }
  let highest = -1
  for (const [n, at, whole] of arrived) {
    if (!(n in dues) || !whole) {
      result.altered++
      continue
    }
    if (seen.has(n)) {
      result.duplicated++
      continue
    }
    seen.add(n)
    if (n < highest) result.outOfOrder++
    highest = Math.max(highest, n)
    result.stallMs = Math.max(result.stallMs, at - t0 - dues[n])
  }
  for (const n of dues.keys())
    if (!seen.has(n)) {
      result.lost++
      result.stallMs = Math.max(result.stallMs, now - t0 - dues[n])
    }
  result.received = seen.size
  return result
}

/**
 * ok; slow: everything arrived, but later than the limits; LOSS, DOUBLE, ORDER, ALTERED; DEAD:
 * nothing came through in one direction; ENDED: the session ended, and a new one began or none.
 */
export function verdict({ firstMs, up, down, ended }, max = limits) {
  if (firstMs === undefined || !up.received || !down.received) return 'DEAD'
  if (ended) return 'ENDED'
  const faults = [['lost', 'LOSS'], ['altered', 'ALTERED'], ['duplicated', 'DOUBLE'], ['outOfOrder', 'ORDER']]
  for (const [fault, name] of faults)
    if (up[fault] || down[fault]) return name
  return firstMs > max.firstMs || Math.max(up.stallMs, down.stallMs) > max.stallMs ? 'slow' : 'ok'
}
