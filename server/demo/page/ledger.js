// The books of the page: which message was sent, which came back, and whether each came once, whole and in order.

import { same } from './envelope.js'

export class Ledger {
  sent = 0
  received = 0
  duplicated = 0
  outOfOrder = 0
  altered = 0
  /** Given back to the page by the end of a session, with their fate. */
  handedBack = 0
  #waiting = new Map() // number → { data, at, note }
  #missing = new Map() // of numbers passed over
  #expected = 1

  get waiting() { return this.#waiting.size }
  get lost() { return this.#missing.size }

  /** The age of the oldest message that has not come back, 0 if there is none. */
  oldest(now) {
    for (const { at } of this.#waiting.values()) return now - at
    return 0
  }

  /** The number that the next message takes. */
  get next() { return this.sent + 1 }

  /** Books a message that the session has taken. `note` is whatever the caller wants back with it. */
  send(data, note, at) {
    this.sent++
    this.#waiting.set(this.sent, { data, note, at })
    return this.sent
  }

  /** Books a message that came back; returns what was booked of it, undefined if it was not waited for. */
  receive(number, data) {
    this.received++
    const entry = this.#waiting.get(number) ?? this.#missing.get(number)
    if (!entry) {
      this.duplicated++
      return undefined
    }
    if (this.#missing.delete(number)) this.outOfOrder++
    for (; this.#expected < number; this.#expected++) this.#passOver(this.#expected)
    if (number === this.#expected) this.#expected++
    this.#waiting.delete(number)
    if (!same(entry.data, data)) this.altered++
    return entry
  }

  #passOver(number) {
    const entry = this.#waiting.get(number)
    if (!entry) return
    this.#waiting.delete(number)
    this.#missing.set(number, entry)
  }

  /** Takes out what did not come back before its session ended: [[number, entry], …]. */
  handBack() {
    const rest = [...this.#waiting]
    this.#waiting.clear()
    this.#expected = this.next
    this.handedBack += rest.length
    return rest
  }
}
