// The verdict itself is tested first: a zoo that could not see a fault would always pass.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { books, due, verdict } from './books.mjs'

const dues = due([1, 2, 1]) // 20 messages: at 0, 100, … 900 and 3000 … 3900
const t0 = 1_000_000
const clean = () => dues.map((at, n) => [n, t0 + at + 5, 1])
const judge = (arrived) => books(dues, arrived, t0, t0 + 10_000)
const run = (down, more) => verdict({ firstMs: 50, up: judge(clean()), down, ...more })

test('the schedule has a silence', () => {
  assert.equal(dues.length, 20)
  assert.deepEqual(dues.slice(8, 12), [800, 900, 3000, 3100])
})

test('everything there, once, in order and in time is ok', () => {
  const down = judge(clean())
  assert.deepEqual(down, { sent: 20, received: 20, lost: 0, duplicated: 0, outOfOrder: 0, altered: 0, stallMs: 5 })
  assert.equal(run(down), 'ok')
})

test('a lost message is a loss, and late until the end', () => {
  const down = judge(clean().filter(([n]) => n !== 7))
  assert.deepEqual([down.lost, down.received, down.stallMs], [1, 19, 10_000 - 700])
  assert.equal(run(down), 'LOSS')
})

test('a doubled message', () => {
  const down = judge([...clean(), [3, t0 + 4500, 1]])
  assert.deepEqual([down.duplicated, down.lost], [1, 0])
  assert.equal(run(down), 'DOUBLE')
})

test('two messages that changed places', () => {
  const arrived = clean()
  ;[arrived[4], arrived[5]] = [arrived[5], arrived[4]]
  const down = judge(arrived)
  assert.deepEqual([down.outOfOrder, down.lost, down.duplicated], [1, 0, 0])
  assert.equal(run(down), 'ORDER')
})

test('an altered message, and one that nobody sent', () => {
  assert.equal(judge(clean().map(([n, at]) => [n, at, n === 9 ? 0 : 1])).altered, 1)
  const down = judge([...clean(), [20, t0 + 4000, 1]])
  assert.equal(run(down), 'ALTERED')
})

test('late is slow, a late first message too, and limits can be raised', () => {
  const late = judge(clean().map(([n, at]) => [n, n > 9 ? at + 5100 : at, 1]))
  assert.equal(late.stallMs, 5105)
  assert.equal(run(late), 'slow')
  assert.equal(run(judge(clean()), { firstMs: 1501 }), 'slow')
  const books = { firstMs: 1501, up: judge(clean()), down: judge(clean()) }
  assert.equal(verdict(books, { firstMs: 5000, stallMs: 5000 }), 'ok')
})

test('dead in one direction, never open, ended', () => {
  assert.equal(run(judge([])), 'DEAD')
  assert.equal(run(judge(clean()), { firstMs: undefined }), 'DEAD')
  assert.equal(run(judge(clean()), { ended: 'renewed: 4204' }), 'ENDED')
})
