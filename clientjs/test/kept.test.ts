import { expect, test } from 'vitest'
import { encodeMessage } from '../src/codec.js'
import { headOf, restore } from '../src/kept.js'
import { append, heldBytes, lastNumber } from '../src/log.js'
import { newMachine, type Machine } from '../src/state.js'

const machine = (): Machine =>
  newMachine({
    _key: 'key', _transports: ['websocket'], _takesBatch: 65536, _takesMessage: 1 << 20, _meta: undefined,
    _random: () => 0, _clock: () => 0,
  })

test('a log comes back as it was', () => {
  const m = machine()
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i * 7)
  for (const data of ['', 'a', 'é\\\n\r😀', '\\n', 'b', '+t', '💩\n'.repeat(2000), new Uint8Array(0), bytes]) append(m, encodeMessage(data))
  Object.assign(m, { _atts: 7, _u: 5, _taken: 11 })
  const lines = m._entries.map((e) => e._line)
  const back = machine()
  restore(back, headOf(m, Date.now()), (n) => lines[n - 1]!)
  expect(back._entries).toEqual(m._entries)
  expect([back._atts, back._u, back._recv, back._taken, back._sent]).toEqual([7, 5, 11, 11, lines.length])
  expect([lastNumber(back), heldBytes(back)]).toEqual([lastNumber(m), heldBytes(m)])
})
