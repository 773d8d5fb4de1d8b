// The list of what happened to the session's transports, newest first.

const maxLines = 200
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export class Timeline {
  #list

  constructor(list) {
    this.#list = list
  }

  /**
   * Adds a line. `tone`: good, bad, quiet or you (an action of the visitor). A line replaces one of the
   * newest lines with the same `key`. If the text is the same too, it is counted, so that a long outage
   * does not fill the list.
   */
  add({ tone, text, transport, key }, time = Date.now()) {
    const before = key && [...this.#list.children].slice(0, 4).find((line) => line.dataset.key === key)
    const times = before?.dataset.text === text ? Number(before.dataset.times) + 1 : 1
    before?.remove()
    const item = document.createElement('li')
    Object.assign(item.dataset, { text, times }, key && { key })
    item.dataset.tone = tone
    if (transport !== undefined) item.dataset.transport = transport
    const stamp = document.createElement('time')
    stamp.dateTime = new Date(time).toISOString()
    stamp.textContent = `${clock.format(time)}.${Math.floor((time % 1000) / 100)}`
    const label = document.createElement('span')
    label.textContent = times > 1 ? `${text}, ${times} times` : text
    item.append(stamp, label)
    this.#list.prepend(item)
    while (this.#list.children.length > maxLines) this.#list.lastChild.remove()
  }
}
