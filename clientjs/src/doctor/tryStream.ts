// Event streams: the beacons, pings by POST beside the stream, its life.

import type { Trouble } from './answer.js'
import { heldWhole, whatHolds } from './held.js'
import { Probe, waits, type Answer } from './probe.js'
import { took } from './report.js'
import { compare, type Life } from './socket.js'
import { Stream, streamTrouble } from './stream.js'

/** Tries an event stream. */
export async function tryStream(p: Probe): Promise<void> {
  const own = new AbortController()
  const stop = () => own.abort()
  p.d.signal.addEventListener('abort', stop)
  if (p.d.signal.aborted) stop()
  let answer: Answer | Trouble | undefined
  const sent = p.send('stream', p.batch(p.open()), p.d.left(1e9), own.signal).then((a) => {
    answer = a
    p.notify()
  })
  await p.until(p.d.left(waits.header), () => !!answer)
  if (!answer) {
    if (!p.spent) await heldWhole(p, () => !!answer && !('id' in answer))
    stop()
    await sent
    return
  }
  if ('id' in answer) return streamTrouble(p, answer)
  const s = new Stream(p, answer)
  if ((await answered(s)) && (await live(s))) {
    p.d.progress(p, 'The stream is live; watching it.')
    if ((await watch(s, p.d.left(waits.watch))) && p.d.long) {
      p.d.progress(p, 'Watching a busy and a quiet one for a minute.')
      const [busy, quiet] = await Promise.all([lifeOf(p, true), lifeOf(p, false)])
      compare(p, busy, quiet)
    }
  }
  await s.close()
}

/** Waits for the first event. False: what came instead is booked. */
async function answered(s: Stream): Promise<boolean> {
  if (await s.comes('opened', s.p.d.left(waits.answer))) return true
  if (s.p.failed || s.p.spent) return false
  if (s.dead) s.p.find('sse-cut', `the stream ended ${took(s.age)} after the request, before its first event`)
  else await whatHolds(s)
  return false
}

/**
 * Whether events pass as they are sent (HF1-SSE-02, HF1-SSE-03). False: why not is booked.
 */
async function live(s: Stream): Promise<boolean> {
  const { p } = s
  const rtt = s.seen.get('opened')! - s.born // for now
  const by = s.seen.get('opened')! + 300 + waits.late + 2 * rtt - performance.now()
  const passes = (await s.comes('beacon 2', by)) && (await s.ping(1)) && (await s.comes('pong 1', p.responseTimeout))
  if (!passes && !s.finished) {
    p.d.progress(p, 'Something holds the stream back; finding out how.')
    await whatHolds(s)
    return false
  }
  if (passes && (await s.until(250, () => s.twice('pong 1'))))
    p.find('request-repeated', 'one ping was sent by POST, and the server answered it twice')
  return !p.failed
}

/** Pings by POST and reads the stream for a while. False: it did not live. */
async function watch(s: Stream, total: number): Promise<boolean> {
  const { p } = s
  const end = performance.now() + total
  for (let i = 2; ; i++) {
    await s.until(Math.min(waits.ping, end - performance.now()), () => false)
    if (p.failed || p.spent) return false
    if (s.dead) {
      s.ended()
      return false
    }
    if (performance.now() >= end) return true
    if (!(await s.ping(i))) return false
    await s.comes(`pong ${i}`, waits.answer)
    if (s.finished) continue // the next turn books it
    if (!s.has(`pong ${i}`)) {
      p.find(
        'sse-silent',
        `${took(s.age)} after the request the stream fell silent: ` +
          `a ping was taken, its pong did not come within ${took(waits.answer)}`,
      )
      return false
    }
    p.result.watchedMs = Math.round(s.age)
  }
}

async function lifeOf(p: Probe, busy: boolean): Promise<Life> {
  const q = new Probe(p.d, p.result.name)
  const life = { age: 0, quiet: 0, cut: false, why: '' }
  const answer = await q.send('stream', q.batch(q.open()), p.d.left(waits.open))
  if ('id' in answer) return life
  const s = new Stream(q, answer)
  await s.comes('opened', waits.answer)
  const end = performance.now() + p.d.left(waits.longWatch)
  for (let i = 1; q.opened && performance.now() < end && !s.finished; i++) {
    await s.until(Math.min(busy ? waits.ping : 1e9, end - performance.now()), () => s.owesPongs)
    if (s.finished) break
    // A quiet one answers pings, else the server ends it (HF1-LIV-03).
    if ((busy || s.owesPongs) && !(await s.ping(i))) break
  }
  life.age = s.age
  life.quiet = performance.now() - s.lastReceived
  life.cut = s.dead && !s.over && !p.spent
  life.why = s.how
  await s.close()
  return life
}
