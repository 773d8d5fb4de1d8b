// reconnecting-websocket has nothing to reconnect: one connection carries 500 echoes while the
// network breaks again and again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Reconnecting from 'reconnecting-websocket'
import { cleanup, until } from '../browser/machines.mjs'
import { behind, Counted, wsServer } from './gateway.mjs'

const count = 500

test('reconnecting-websocket', { timeout: 60_000 }, async (t) => {
  const backend = await wsServer(t)
  let connections = 0
  backend.on('connection', (socket) => {
    connections++
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const { url, cut, seen } = await behind(t, backend.address().port)
  const socket = new Reconnecting(url, [], { WebSocket: Counted })
  cleanup(t, () => socket.close())
  const [opens, closes, got] = [[], [], []]
  socket.addEventListener('open', () => opens.push(1))
  socket.addEventListener('close', ({ code }) => closes.push(code))
  socket.addEventListener('message', ({ data }) => {
    got.push(data)
    if (got.length % 80 === 40) cut()
  })
  for (let n = 1; n <= count; n++) {
    socket.send(`message ${n}`)
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await until('every echo', 20_000, () => got.length >= count)
  assert.deepEqual(got, Array.from({ length: count }, (_, i) => `message ${i + 1}`))
  assert.deepEqual([opens.length, closes, connections, Counted.made], [1, [], 1, 1])
  t.diagnostic(`${seen.cuts} cuts, ${seen.broken} connections broken`)
  assert.ok(seen.cuts >= 6 && seen.broken >= 6)
  socket.close(4001, 'enough')
  await until('the end', 5000, () => closes.length)
  assert.deepEqual(closes, [4001])
})
