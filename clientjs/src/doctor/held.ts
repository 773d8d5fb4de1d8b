// How a stream that is not live is held back: late by itself, one event behind, until a buffer is
// full, or whole.

import { isTrouble } from './answer.js'
import { ping, waits, type Probe } from './probe.js'
import { took } from './report.js'
import type { Stream } from './stream.js'

const detach = '!detach {"code":4004}\n'

/** Finds out, and books it. */
export async function whatHolds(s: Stream): Promise<void> {
  const { p } = s
  if (await s.until(p.d.left(waits.answer), () => s.has('beacon 2') && (!s.pinged || s.has('pong 1'))))
    return p.find(
      'sse-delayed',
      `${s.times('header', 'opened', 'beacon 1', 'beacon 2')}; the server sends them at once and 300 ms later`,
    )
  if (s.dead && !p.failed && !p.spent) return s.ended()
  if (s.finished) return
  if (!(await beside(p))) {
    if (!p.spent)
      p.find('sse-held', `${s.times('header', 'opened', 'beacon 2')}; and no request beside it has an answer`)
    return
  }
  if (!(await oneBehind(s)) && !(await threshold(s))) await whole(s)
}

/**
 * Makes sure that requests can name the session: where opened was not read, an open by long poll
 * brings it (HF1-WHO-04).
 */
async function beside(p: Probe): Promise<boolean> {
  if (!p.opened) await p.post('open', p.batch(p.open(2, undefined)), p.d.left(waits.answer))
  return !!p.opened
}

/** Has the server send three controls, and checks whether each comes with the next. */
async function oneBehind(s: Stream): Promise<boolean> {
  const { p } = s
  for (let i = 100; i < 103; i++) {
    const pong = `pong ${i}`
    const before = i > 100 ? `pong ${i - 1}` : 'beacon 2'
    if (!(await s.ping(i))) return false
    await s.until(p.d.left(p.responseTimeout / 2), () => s.has(before) || s.has(pong))
    await s.until(200, () => s.has(pong)) // what came together came together
    if (s.has(pong) || !s.has(before)) return false // it filled a buffer, or did not; threshold decides
  }
  p.find(
    'sse-one-behind',
    `of 3 words in a row each came when the next was sent, not before; ${s.times('opened', 'beacon 2')}`,
  )
  return true
}

/** Has the server send more until what is held back comes. */
async function threshold(s: Stream): Promise<boolean> {
  const { p } = s
  if (s.has('pong 100')) {
    p.find(
      'sse-threshold',
      `${s.times('header', 'opened', 'beacon 2')}; the rest came when the server had sent some 100 bytes more`,
    )
    return true
  }
  const before = s.bytes
  const { sent, came } = await flood(p, () => s.until(flushWait, () => s.bytes > before))
  if (came)
    p.find(
      'sse-threshold',
      `${s.times('header', 'opened', 'beacon 2')}; more came when the server had sent about ${sent} KiB more`,
    )
  return came || p.failed
}

/** What a proxy has to pass on what is in a full buffer. */
const flushWait = 20

/**
 * Has the server send more on the stream, about 1 KiB at a time, until something came; `sent` is
 * how many KiB that was.
 */
async function flood(p: Probe, came: () => Promise<boolean>): Promise<{ sent: number; came: boolean }> {
  let sent = 0
  for (let i = 200; i < 250 && p.d.left(60_000) > 5000; i++) {
    // what ends the stream comes after this
    const pings = Array.from({ length: 40 }, (_, n) => ping(i * 1_000_000 + n))
    if (isTrouble(await p.post('up', p.batch(p.up(), ...pings), p.d.left(waits.answer)))) break
    sent += 40 * 'data:!pong {"i":200000000}\n'.length
    if (await came()) return { sent: (sent >> 10) + 1, came: true }
  }
  return { sent: (sent >> 10) + 1, came: false }
}

/** Has the server end the stream, and looks whether what was held comes with the end. */
async function whole(s: Stream): Promise<void> {
  const { p } = s
  const before = s.times('header', 'opened', 'beacon 2')
  const early = ['header', 'opened', 'beacon 1'].filter((what) => s.has(what))
  const askedAt = performance.now()
  const answer = await p.post('up', p.batch(p.up(), detach), p.d.left(waits.answer))
  if (!isTrouble(answer)) await s.until(p.d.left(waits.answer), () => false)
  const at = s.seen.get('beacon 2')
  if (at)
    p.find(
      'sse-held',
      `${early.length ? `only ${early.join(', ')}` : 'nothing'} before; ` +
        `all of it ${took(at - askedAt)} after the server was asked to end the stream`,
    )
  else p.find('sse-held', `${before}; nor when the server had ended the stream`)
}

/**
 * A stream of which not even the header came: the server is asked to end it, which lets go what
 * waits for the end.
 */
export async function heldWhole(p: Probe, came: () => boolean): Promise<void> {
  p.d.progress(p, 'No answer to the stream; finding out why.')
  if (!(await beside(p))) {
    if (!p.spent)
      p.find(
        'post-blackholed',
        `no answer to the request for a stream within ${took(waits.header)}, nor to one beside it`,
      )
    return
  }
  let what = `no byte of the answer within ${took(waits.header)}, while a request beside it was answered`
  const more = await flood(p, () => p.until(flushWait, came))
  if (more.came) {
    p.find('sse-threshold', `${what}; it came when the server had sent about ${more.sent} KiB more`)
    return p.bye()
  }
  const askedAt = performance.now()
  const answer = await p.post('up', p.batch(p.up(), detach), p.d.left(waits.answer))
  if (!isTrouble(answer) && (await p.until(p.d.left(waits.answer), came)))
    what += `; all of it ${took(performance.now() - askedAt)} after the server was asked to end the stream`
  p.find('sse-held', what)
  await p.bye()
}
