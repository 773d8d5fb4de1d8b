// Which transport carries the session, and why: text made from the client's trace.

import { age, count, nameOf, span } from './text.js'

const order = ['websocket', 'sse', 'longpoll']
const silent = { 'no pong': true, silent: true, 'lines missing': true }

export class CurrentTransport {
  transport = undefined
  switches = 0
  suspect = false
  #attachments = new Map() // number → { transport, openedAt, validatedAt }
  #problems = new Map() // transport → what went wrong last
  #selected = undefined // an attachment
  #last = undefined

  /** Records a trace step of the client. Returns a line for the timeline, or undefined. */
  trace({ what, transport, attachment, reason, time }) {
    const name = nameOf(transport)
    const it = this.#attachments.get(attachment) ?? { transport, openedAt: 0, validatedAt: 0 }
    this.#attachments.set(attachment, it)
    switch (what) {
      case 'opened':
        it.openedAt = time
        return { tone: 'quiet', text: `${name}: open beside it`, key: `open ${attachment}` }
      case 'selected':
        return { ...this.#select(it), key: `open ${attachment}` }
      case 'validated':
        it.validatedAt = time
        this.#problems.delete(transport)
        return { tone: 'good', text: `${name}: validated` }
      case 'suspect':
        this.#problems.set(transport, suspicion(reason))
        if (it === this.#selected) this.suspect = true
        return { tone: 'bad', text: `${name}: ${silent[reason] ? 'silent' : reason}, trying others beside it` }
      case 'refused':
        this.#problems.set(transport, `was refused (${reason})`)
        return { tone: 'bad', text: `${name}: refused, ${reason}` }
      case 'died':
        this.#attachments.delete(attachment)
        return this.#died(it, reason, time)
    }
    return undefined
  }

  #select(it) {
    const before = this.#last
    this.#selected = it
    this.#last = it.transport
    this.suspect = false
    if (before && before !== it.transport) this.switches++
    const name = nameOf(it.transport)
    let text = `${name}: carries the session`
    if (before) text = before === it.transport ? `${text} again` : `${nameOf(before)} → ${name}`
    return { tone: 'good', text, transport: it.transport }
  }

  #died(it, reason, time) {
    const name = nameOf(it.transport)
    if (it === this.#selected) this.#selected = undefined
    if (['left', 'detached'].includes(reason)) return { tone: 'quiet', text: `${name}: put aside` }
    const quiet = reason === 'no answer' || silent[reason]
    let text = quiet ? 'did not answer' : 'did not open'
    if (it.openedAt) text = `${quiet ? 'fell silent' : 'broke'} after ${span(time - it.openedAt)}`
    if (!/^refused/.test(reason)) this.#problems.set(it.transport, text)
    if (it.openedAt) return { tone: 'bad', text: `${name}: ${text}` }
    return { tone: 'quiet', text: `${name}: ${text}`, key: `unopened ${it.transport}` }
  }

  /** The page starts a new session. */
  reset() {
    this.#attachments.clear()
    this.#selected = undefined
    this.suspect = false
  }

  /** One or two sentences on why it is this transport. `waiting` is the number of messages that wait. */
  why(now, network, waiting) {
    const verb = waiting === 1 ? 'waits' : 'wait'
    const wait = waiting
      ? `${count(waiting, 'message')} ${verb} and will go out in order.`
      : 'Nothing is lost meanwhile.'
    if (!this.transport) {
      if (network.offline) return `You are offline. ${wait}`
      if (network.blackHole) return `Everything vanishes in the black hole. ${wait}`
      if (network.only) return `Only ${nameOf(network.only)} is let through, and it does not open. ${wait}`
      return `Looking for a way to the server. ${wait}`
    }
    if (this.suspect) return `It has fallen silent, so others are tried beside it. ${wait}`
    return `${this.#because(network)} ${this.#standing(now)}`
  }

  #because(network) {
    if (network.only === this.transport) return 'You let nothing else through.'
    const above = order.slice(0, order.indexOf(this.transport))
    const attachments = [...this.#attachments.values()]
    for (const better of above)
      if (attachments.some((it) => it.transport === better && it.openedAt))
        return `${nameOf(better)} is open as well, and takes over when it has worked for 10 seconds.`
    for (const better of above) {
      const name = `The ${nameOf(better).replace(/^[EL]/, (letter) => letter.toLowerCase())}`
      if (this.#problems.has(better)) return `${name} ${this.#problems.get(better)}.`
      if (attachments.some((it) => it.transport === better)) return `${name} has not answered so far.`
    }
    return above.length ? 'It was the first to open.' : 'The best transport there is.'
  }

  #standing(now) {
    const it = this.#selected
    if (!it?.openedAt) return ''
    if (it.validatedAt) return `It has worked for ${age(now - it.validatedAt)}.`
    return `Open for ${age(now - it.openedAt)}; after 10 seconds it counts as working.`
  }
}

/** What to say about a suspect transport. */
function suspicion(reason) {
  if (silent[reason]) return 'fell silent'
  return /^(held|threshold|one-behind)/.test(reason) ? 'was held back on the way' : 'was doubted'
}
