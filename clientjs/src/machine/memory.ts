// The network memory: what one session has learned, kept for the next one to the same endpoint
// (HF1-LIV-19).

import { due, emit } from './effects.js'
import { Age, Cooldown, Hold, Idle, Limit, type Machine } from './state.js'

const day = 864e5

const text = ({ _transports, _learning }: Machine) =>
  JSON.stringify([
    _learning._best?._name ?? '',
    Object.fromEntries(_transports.map(({ _name, _learned }) => [_name, _learned])),
  ])

/**
 * Takes up what another session has learned here. It came from a store that anybody may have
 * written to, so entries are held within bounds where they are used.
 */
export function recall(m: Machine): void {
  const { _learning } = m
  const { 0: version, 1: since, 2: best, 3: entries } = Object(m._config._memory)
  if (version === 1 && since <= m._now && since > m._now - day) {
    _learning._since = since
    _learning._best = m._transports.find((t) => t._name === best)
    for (const t of m._transports) {
      t._learned = t._learned.map((_, i) => {
        const value = Object(entries)[t._name]?.[i]
        return value === +value && value > 0 && value < 2 ** 53 ? Math.floor(value) : 0
      })
      t._before[Limit] = t._learned[Limit]!
      t._learned[Cooldown] = Math.min(t._learned[Cooldown]!, m._now + 600e3)
    }
  }
  _learning._remembered = text(m)
}

/**
 * Hands out what the client knows when it has changed, and forgets it after a day: what is not
 * tried again would be believed for ever.
 */
export function remember(m: Machine): void {
  const { _learning } = m
  if (due(m, _learning._since + day)) {
    for (const { _learned } of m._transports) _learned[Idle] = _learned[Age] = _learned[Hold] = 0
    _learning._since = m._now
  }
  if (text(m) === _learning._remembered || !due(m, _learning._rememberedAt + 1e3)) return
  _learning._remembered = text(m)
  _learning._rememberedAt = m._now
  const written = `[1,${_learning._since},${_learning._remembered.slice(1)}`
  emit(m, (host) => host._remember(written))
}
