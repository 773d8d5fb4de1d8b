import { expect, test } from 'vitest'
import { ponged } from '../src/select.js'
import { newMachine, type Path } from '../src/state.js'

// A page that was suspended with a ping under way may read the answer hours later (HF1-LIV-06).
test('a round trip is 5 s at most', () => {
  const m = newMachine({
    _key: 'key', _transports: ['websocket'], _takesBatch: 65536, _takesMessage: 1 << 20, _meta: undefined,
    _random: () => 0, _clock: () => 3600e3,
  })
  m._slow = 1
  ponged(m, { _pingI: 1, _pingAt: 0 } as Path, { i: 1 } as never)
  expect(m._rtt).toBe(5e3)
})
