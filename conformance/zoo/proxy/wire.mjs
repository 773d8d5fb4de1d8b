// A TCP proxy for faults at certain times of a session, or at certain bytes; the modes of
// conformance/middlebox do not have them.
import { connect, createServer } from 'node:net'
import { pause } from '../../../clientjs/browser/machines.mjs'

/**
 * Starts it in front of `upstream`; returns its port.
 *
 *   bytes      resets a connection after so many bytes towards the client
 *   latency    [least, most] ms that every chunk takes, each way, in order
 *   rate       bytes a second that a connection carries, each way
 *   freeze     { at: [ms, …], up, down }: from these times on, the connections that are open then
 *              pass nothing more in the directions named
 */
export function wire(box, upstream, { bytes = Infinity, latency = [0, 0], rate = Infinity, freeze }) {
  const links = new Set()
  const random = dice(box.slot)

  for (const ms of freeze?.at ?? [])
    box.at(ms, () => {
      for (const link of links) Object.assign(link, { up: freeze.up, down: freeze.down })
    })

  return box.listen(createServer((client) => {
    const server = connect(upstream, '127.0.0.1')
    const link = { up: false, down: false, left: bytes } // which directions are frozen, and the bytes that may pass
    const end = (how) => () => {
      if (link.up && link.down) return // the other end must not see it
      links.delete(link)
      client[how]()
      server[how]()
    }
    links.add(link)
    box.after(() => server.destroy())

    for (const [direction, from, to] of [['up', client, server], ['down', server, client]]) {
      let free = 0 // when the last chunk is through
      let passed = Promise.resolve()
      from.setNoDelay(true)
      from.on('error', end('destroy')).on('close', () => passed.then(end('end')))
      from.on('data', (chunk) => {
        if (direction === 'down' && (link.left -= chunk.length) < 0) return end('resetAndDestroy')()
        const [least, most] = latency
        free = Math.max(free, Date.now() + least + random() * (most - least)) + (chunk.length / rate) * 1000
        const at = free
        passed = passed.then(async () => {
          if (at > Date.now()) await pause(at - Date.now())
          if (!link[direction] && to.writable) to.write(chunk)
        })
      })
    }
  }))
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function dice(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
