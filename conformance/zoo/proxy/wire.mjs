// A TCP proxy: what networks do to connections, whatever these carry.
import { connect, createServer } from 'node:net'

/**
 * Starts it before `upstream`; returns its port.
 *
 *   idle       resets a connection on which no byte passed either way for so many ms
 *   life       resets a connection at this age, in ms
 *   bytes      resets a connection after so many bytes towards the client
 *   latency    [least, most] ms that every chunk takes, each way, in order
 *   freeze     { at: [ms, …], up, down }: at these times what is open falls silent, in the directions named, and stays so
 *   most       how many connections it serves at a time; more have to wait
 */
export async function wire(box, upstream, { idle, life, bytes = Infinity, latency, freeze, most = Infinity }) {
  const links = new Set()
  const waiting = []
  const random = dice(box.folder.length + upstream)

  const serve = (client) => {
    const server = connect(upstream, '127.0.0.1')
    const link = { frozen: {}, left: bytes }
    links.add(link)
    const timers = []
    let watch
    const end = (how) => () => {
      if (link.frozen.up && link.frozen.down && how !== 'resetAndDestroy') return // nobody hears of it
      clearTimeout(watch)
      timers.forEach(clearTimeout)
      client[how]()
      server[how]()
      if (links.delete(link) && waiting.length) serve(waiting.shift())
    }
    const alive = () => {
      if (!idle) return
      clearTimeout(watch)
      watch = setTimeout(end('resetAndDestroy'), idle)
    }
    if (life) timers.push(setTimeout(end('resetAndDestroy'), life))
    alive()

    for (const [direction, from, to] of [['up', client, server], ['down', server, client]]) {
      from.setNoDelay(true)
      let last = 0
      from.on('error', end('destroy')).on('close', () => setTimeout(end('end'), Math.max(0, last - Date.now())))
      from.on('data', (chunk) => {
        alive()
        if (link.frozen[direction]) return
        if (direction === 'down' && (link.left -= chunk.length) < 0) return end('resetAndDestroy')()
        if (!latency) return void (to.writable && to.write(chunk))
        last = Math.max(last, Date.now() + latency[0] + random() * (latency[1] - latency[0]))
        timers.push(setTimeout(() => { if (!link.frozen[direction] && to.writable) to.write(chunk) }, last - Date.now()))
      })
    }
    box.after(() => [client, server].forEach((socket) => socket.destroy()))
  }

  for (const ms of freeze?.at ?? [])
    box.at(ms, () => {
      for (const link of links) Object.assign(link.frozen, { up: freeze.up, down: freeze.down })
    })
  return box.listen(createServer((client) => {
    if (links.size < most) return serve(client)
    waiting.push(client)
    client.on('close', () => {
      const place = waiting.indexOf(client)
      if (place >= 0) waiting.splice(place, 1)
    })
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
