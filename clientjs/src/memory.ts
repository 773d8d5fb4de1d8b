// What one session has learned of the network, kept for the next one to the same endpoint (HF1-LIV-19).

import { Age, due, Hold, Idle, Limit, Rest, type Machine, type Way } from './state.js'

const day = 864e5

const text = ({ _ways, _best }: Machine) =>
  JSON.stringify([_best?._name ?? '', Object.fromEntries(_ways.map((way: Way) => [way._name, way._facts]))])

/**
 * Takes up what another session has learned here. It came from a store that anybody may have written to, so facts are held
 * within bounds where they are used.
 */
export function recall(m: Machine): void {
  const [version, since, best, facts] = [0, 1, 2, 3].map((i) => Object(m._memory)[i])
  if (version === 1 && since <= m._now && since > m._now - day) {
    m._since = since
    m._best = m._ways.find((way) => way._name === best)
    for (const way of m._ways) {
      way._facts = way._facts.map((_, i) => {
        const value = Object(facts)[way._name]?.[i]
        return value === +value && value > 0 && value < 2 ** 53 ? Math.floor(value) : 0
      })
      way._before[Limit] = way._facts[Limit]!
      way._facts[Rest] = Math.min(way._facts[Rest]!, m._now + 600e3)
    }
  }
  m._remembered = text(m)
}

/** Hands out what the client knows when it has changed, and forgets it after a day: what is not tried again would be believed for ever. */
export function remember(m: Machine): void {
  if (due(m, m._since + day)) {
    for (const { _facts } of m._ways) _facts[Idle] = _facts[Age] = _facts[Hold] = 0
    m._since = m._now
  }
  if (text(m) === m._remembered || !due(m, m._toldAt + 1e3)) return
  m._remembered = text(m)
  m._toldAt = m._now
  const written = `[1,${m._since},${m._remembered.slice(1)}`
  m._actions.push((host) => host._remember(written))
}
