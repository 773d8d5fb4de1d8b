// The list of what happened to the session's transports, newest first.

const most = 200
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export class Timeline {
  #list

  constructor(list) {
    this.#list = list
  }

  /** Adds a line. `tone`: good, bad, quiet or you (what the visitor did). */
  add({ tone, text, transport }, time = Date.now()) {
    const item = document.createElement('li')
    item.dataset.tone = tone
    if (transport !== undefined) item.dataset.transport = transport
    const stamp = document.createElement('time')
    stamp.dateTime = new Date(time).toISOString()
    stamp.textContent = `${clock.format(time)}.${Math.floor((time % 1000) / 100)}`
    const words = document.createElement('span')
    words.textContent = text
    item.append(stamp, words)
    this.#list.prepend(item)
    while (this.#list.children.length > most) this.#list.lastChild.remove()
  }
}
