// mqtt.js against mosquitto: 200 messages of each quality of service, also of "at most once", while
// every connection is cut.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import mqtt from 'mqtt'
import { cleanup, freePort, lacking, scratch, shown, start, until } from '../browser/machines.mjs'
import { behind, Counted } from './gateway.mjs'

const count = 200

test(
  'mqtt.js and mosquitto',
  { skip: lacking('mosquitto'), timeout: 60_000 },
  shown(async (t) => {
    const { url, cut, seen } = await behind(t, await mosquitto(t))
    const client = mqtt.connect(`${url}/mqtt`, {
      createWebsocket: (address, protocols) => new Counted(address, protocols),
      forceNativeWebSocket: true,
      reconnectPeriod: 0,
      clientId: 'holdfast-test',
    })
    cleanup(t, () => client.endAsync(true))
    const faults = []
    for (const type of ['error', 'close', 'offline']) client.on(type, (error) => faults.push([type, `${error}`]))
    await once(client, 'connect')
    await client.subscribeAsync('test/#', { qos: 2 })
    const got = { 0: [], 1: [], 2: [] }
    client.on('message', (topic, payload) => {
      const list = got[topic.slice(-1)]
      list.push(Number(`${payload}`))
      if (list.length % 50 === 25) cut()
    })
    for (let n = 1; n <= count; n++)
      await Promise.all([0, 1, 2].map((qos) => client.publishAsync(`test/${qos}`, `${n}`, { qos })))
    await until('everything', 20_000, () => [0, 1, 2].every((qos) => got[qos].length >= count))
    const all = Array.from({ length: count }, (_, i) => i + 1)
    assert.deepEqual(got, { 0: all, 1: all, 2: all })
    assert.deepEqual([faults, Counted.made], [[], 1])
    t.diagnostic(`${seen.cuts} cuts, ${seen.broken} connections broken`)
    assert.ok(seen.cuts >= 6 && seen.broken >= 6)
  }),
)

async function mosquitto(t) {
  const folder = scratch(t)
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  // Version 2.0.11 does not start with no other listener than one for WebSockets.
  const listeners =
    `listener ${port} 127.0.0.1\nprotocol websockets\n` +
    `listener ${await freePort()} 127.0.0.1\nprotocol mqtt\n`
  writeFileSync(
    file,
    `${listeners}allow_anonymous true\npersistence false\nmax_inflight_messages 1000\nlog_dest stderr\n`,
  )
  const { log } = start(t, 'mosquitto', ['-c', file])
  await until('mosquitto', 10_000, () => log.some((line) => line.includes(' running')))
  return port
}
