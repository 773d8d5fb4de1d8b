// Long polling, and how large a request or a frame may be.

import { isTrouble, type Trouble } from './answer.js'
import { numbers, ping, waits, type Probe } from './probe.js'
import { took } from './report.js'

/** Tries a long-poll attachment: open, a ping by `up`, large bodies, a poll held by the server. */
export async function tryPolls(p: Probe): Promise<void> {
  let answer = await p.post('open', p.batch(p.open()), p.d.left(waits.open))
  if (!isTrouble(answer) && !p.opened) answer = { id: 'reply-altered', evidence: 'the answer to an open has no opened' }
  if (isTrouble(answer)) return p.trouble(answer)
  p.d.progress(p, 'A request and its answer pass.')
  const sent = performance.now()
  answer = await p.post('up', p.batch(p.up(), ping(1)), p.d.left(waits.open))
  if (!isTrouble(answer) && !numbers(answer, '!pong').includes(1))
    answer = { id: 'reply-altered', evidence: 'the answer to a ping has no pong' }
  if (isTrouble(answer)) p.trouble(answer)
  else {
    p.result.rttMs = Math.round(performance.now() - sent)
    const mixed = await mixedUp(p)
    if (mixed) {
      p.trouble(mixed)
      return p.bye()
    }
    p.d.progress(p, 'Trying large requests.')
    await largeBodies(p)
    p.d.progress(p, 'Holding a request open.')
    await holdOne(p, p.d.long ? p.opened!.hold : waits.hold)
    p.result.watchedMs = Math.round(performance.now() - p.began)
  }
  await p.bye()
}

/**
 * Checks whether a cache or a coalescing proxy mixes answers up: two polls at a time, which the
 * server holds for 50 ms since they carry a ping (HF1-POL-03), and one after them. Whatever else
 * goes wrong with them the other tests show.
 */
async function mixedUp(p: Probe): Promise<Trouble | undefined> {
  const wait = p.d.left(waits.answer)
  const answers = await Promise.all([900, 901].map((i) => p.exchange('poll', p.batch(p.poll(1000), ping(i)), wait)))
  const poll = await p.post('poll', p.batch(p.poll(1000), ping(902)), p.d.left(waits.answer))
  const mixed = [...answers, poll].filter(isTrouble).find(({ id }) => id === 'reply-reused')
  if (mixed || !isTrouble(poll) || poll.id !== 'post-blackholed') return mixed
  // To wait for a longer one would be of no use.
  return { id: 'poll-cut', evidence: `a poll that the server was to answer at once: ${poll.evidence}` }
}

/**
 * Lets a poll hang. One that brings messages of the application's is followed by another: only a
 * silent one is a test.
 */
async function holdOne(p: Probe, hold: number): Promise<void> {
  const end = performance.now() + Math.min(hold, p.d.left(60_000) - p.responseTimeout)
  while (!p.spent) {
    const left = end - performance.now()
    if (left < 1000) return p.d.found.untested('longpoll: how long a request may wait, as the application kept sending')
    const sent = performance.now()
    const before = p.recv
    const answer = await p.post('poll', p.batch(p.poll(left)), left + p.responseTimeout + waits.answer)
    const age = performance.now() - sent
    const should = `a poll that the server was to answer after ${took(left)}`
    if (isTrouble(answer)) {
      if (answer.id === 'post-blackholed') p.find('poll-cut', `${should} had no answer after ${took(age)}`)
      else if (answer.id === 'reply-reused') p.trouble(answer)
      else if (answer.id) p.find('poll-cut', `${should} ended after ${took(age)}: ${answer.evidence}`)
      return
    }
    if (age > left + p.responseTimeout) return p.find('poll-late', `${should} was answered after ${took(age)}`)
    if (p.recv === before) return p.d.found.fact('longest quiet request', took(age))
  }
}

/** The sizes that are tried, the largest that the server takes first. */
export const tries = (most: number): number[] => [most, ...[32768, 16384, 8192, 4096, 2048].filter((n) => n < most)]

/**
 * A batch of exactly `size` bytes that asks for pong `i`: what fills it may be ignored
 * (HF1-BAT-10).
 */
export function padded(size: number, i: number, ...lines: string[]): string {
  const head = ['@1 0\n', ...lines, ping(i)].join('')
  const pad = (n: number) => `?grease-size {"x":"${'x'.repeat(n)}"}\n`
  const least = pad(0).length
  const parts = [head]
  for (let room = size - head.length; room >= least;) {
    let fill = Math.min(room, 8000) - least
    const rest = room - least - fill
    if (rest > 0 && rest < least) fill -= least // so that the next has room for itself
    parts.push(pad(fill))
    room -= least + fill
  }
  return parts.join('')
}

/** Sends bodies as large as the server takes them, and smaller ones until one passes. */
async function largeBodies(p: Probe): Promise<void> {
  let i = 1
  for (const size of tries(p.maxBatch)) {
    const wait = p.d.left(waits.answer + p.responseTimeout)
    if (wait < 1000) return
    const answer = await p.post('up', padded(size, ++i, p.up()), wait)
    if (!isTrouble(answer) && numbers(answer, '!pong').includes(i))
      return p.d.found.fact('largest request that passed', `${size} bytes`)
    const why = isTrouble(answer) ? answer : { id: '-', evidence: 'answered without the pong it asked for' }
    if (!why.id) return
    p.find('size-cap', `a request of ${size} bytes: ${why.evidence}`)
  }
}
