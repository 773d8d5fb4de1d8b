import { expect, test } from 'vitest'
import { ponged } from '../src/machine/liveness.js'
import { newMachine } from '../src/machine/machine.js'
import type { Attachment } from '../src/machine/state.js'

// A page that was suspended with a ping under way may read the answer hours later (HF1-LIV-06).
test('a round trip is 5 s at most', () => {
  const m = newMachine({
    _key: 'key', _transports: ['websocket'], _maxBatch: 65536, _maxMessage: 1 << 20, _meta: undefined,
    _random: () => 0, _clock: () => 3600e3,
  })
  m._liveness._guessedTimeout = 1
  ponged(m, { _ping: { _i: 1, _at: 0, _count: 0 }, _posts: {} } as Attachment, { i: 1 } as never)
  expect(m._liveness._rtt).toBe(5e3)
})
