// Counts which messages were sent and came back, and whether each came once, unchanged and in order.

import { same } from './envelope.js'

export class Ledger {
  sent = 0
  received = 0
  duplicated = 0
  outOfOrder = 0
  altered = 0
  /** Returned to the page at the end of a session, with their result. */
  handedBack = 0
  #waiting = new Map() // number → { data, at, note }
  #missing = new Map() // the same, of numbers that were skipped
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

  /** Records a message that the session has accepted. `note` is returned with it. */
  send(data, note, at) {
    this.sent++
    this.#waiting.set(this.sent, { data, note, at })
    return this.sent
  }

  /** Records a message that came back. Returns its entry, or undefined if it was not expected. */
  receive(number, data) {
    this.received++
    const entry = this.#waiting.get(number) ?? this.#missing.get(number)
    if (!entry) {
      this.duplicated++
      return undefined
    }
    if (this.#missing.delete(number)) this.outOfOrder++
    for (; this.#expected < number; this.#expected++) this.#skip(this.#expected)
    if (number === this.#expected) this.#expected++
    this.#waiting.delete(number)
    if (!same(entry.data, data)) this.altered++
    return entry
  }

  #skip(number) {
    const entry = this.#waiting.get(number)
    if (!entry) return
    this.#waiting.delete(number)
    this.#missing.set(number, entry)
  }

  /** Removes what did not come back before its session ended: [[number, entry], …]. */
  handBack() {
    const left = [...this.#waiting]
    this.#waiting.clear()
    this.#expected = this.next
    this.handedBack += left.length
    return left
  }
}
