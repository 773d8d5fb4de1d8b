import { expect, test } from 'vitest'
import { newMachine } from '../src/machine/machine.js'
import type { Machine } from '../src/machine/state.js'
import { headOf, restore } from '../src/store.js'
import { prepare } from '../src/wire/codec.js'
import { append, heldBytes, lastNumber } from '../src/wire/log.js'

const machine = (): Machine =>
  newMachine({
    _key: 'key',
    _transports: ['websocket'],
    _maxBatch: 65536,
    _maxMessage: 1 << 20,
    _meta: undefined,
    _random: () => 0,
    _clock: () => 0,
  })

test('a log comes back as it was', () => {
  const m = machine()
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i * 7)
  for (const data of ['', 'a', 'é\\\n\r😀', '\\n', 'b', '+t', '💩\n'.repeat(2000), new Uint8Array(0), bytes])
    append(m._log, prepare(data)._entries)
  m._race._atts = 7
  m._selection._u = 5
  m._log._taken = 11
  const lines = m._log._entries.map((e) => e._line)
  const back = machine()
  restore(back, headOf(m, Date.now()), (n) => lines[n - 1]!)
  expect(back._log._entries).toEqual(m._log._entries)
  const { _recv, _taken, _sent } = back._log
  expect([back._race._atts, back._selection._u, _recv, _taken, _sent]).toEqual([7, 5, 11, 11, lines.length])
  expect([lastNumber(back._log), heldBytes(back._log)]).toEqual([lastNumber(m._log), heldBytes(m._log)])
})
