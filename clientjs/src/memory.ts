// What one session has learned of the network, kept for the next one to the same endpoint (HF1-LIV-19).

import { Age, due, Hold, Idle, type Machine, type Way } from './state.js'

const day = 864e5

/** What is plausible of a fact, in the order of `_facts`. The end of a rest is a time of day. */
const bounds = (now: number) => [
  [now + 1, now + 600e3],
  [1, 64],
  [2e3, 3600e3],
  [12e3, day],
  [5e3, 25e3],
  [1024, 1 << 20],
]

const text = ({ _ways, _best }: Machine) =>
  JSON.stringify([_best?._name ?? '', Object.fromEntries(_ways.map((way: Way) => [way._name, way._facts]))])

/**
 * Takes up what another session has learned here. It came from a store that anybody may have written to: what is not plausible is left
 * out, each thing by itself.
 */
export function recall(m: Machine): void {
  const { _now, _ways } = m
  const [version, since, best, facts] = [0, 1, 2, 3].map((i) => Object(m._memory)[i])
  const age = _now - since
  if (version === 1 && facts && age >= 0 && age < day) {
    m._since = _now - age
    m._best = _ways.find((way) => way._name === best)
    for (const way of _ways)
      way._facts = bounds(_now).map(([low, high], i) => {
        const value = facts[way._name]?.[i]
        return value === +value && value >= low! && value <= high! ? Math.floor(value) : 0
      })
  }
  m._remembered = text(m)
}

/** Hands out what the client knows when it has changed, and forgets it after a day: what is not tried again would be believed for ever. */
export function remember(m: Machine): void {
  if (m._since && due(m, m._since + day)) {
    for (const { _facts } of m._ways) _facts[Idle] = _facts[Age] = _facts[Hold] = 0
    m._since = m._now
  }
  if (text(m) === m._remembered || (m._toldAt && !due(m, m._toldAt + 1e3))) return
  m._since ||= m._now
  due(m, m._since + day)
  m._remembered = text(m)
  m._toldAt = m._now
  const written = `[1,${m._since},${m._remembered.slice(1)}`
  m._actions.push((host) => host._remember(written))
}
