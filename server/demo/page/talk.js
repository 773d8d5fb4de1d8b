// The conversation: what the visitor sent, and what came back.

import { size, span } from './text.js'

const maxEntries = 200

export class Talk {
  #log
  #empty
  #follows = true

  constructor(log, empty) {
    this.#log = log
    this.#empty = empty
    // After scrolling back the position stays; otherwise the end is shown, also when the field grows or
    // a picture loads.
    log.addEventListener('scroll', () => { this.#follows = log.scrollHeight - log.scrollTop - log.clientHeight < 60 })
    new ResizeObserver(() => this.#follow()).observe(log)
  }

  /** Shows what the visitor sent; returns the entry, whose state changes later. */
  mine(content) {
    const entry = this.#add('mine')
    const body = document.createElement('p')
    body.className = 'body'
    body.textContent = content.bytes ? `${content.name || 'Picture'}, ${size(content.bytes.length)}` : content.text
    if (content.bytes) body.classList.add('file')
    const state = document.createElement('p')
    state.className = 'state'
    state.textContent = 'on the way'
    entry.append(body, state)
    this.#show(entry)
    return entry
  }

  /** Shows what the server sent back. */
  theirs(content, ms) {
    const entry = this.#add('theirs')
    if (content.bytes) entry.append(picture(content, () => this.#follow()))
    else {
      const body = document.createElement('p')
      body.className = 'body'
      body.textContent = content.text
      entry.append(body)
    }
    const state = document.createElement('p')
    state.className = 'state'
    state.textContent = `back after ${span(ms)}`
    entry.append(state)
    this.#show(entry)
  }

  /** Changes the state line of an entry. */
  state(entry, text, tone = '') {
    const line = entry.querySelector('.state')
    line.textContent = text
    entry.dataset.tone = tone
  }

  /** Offers to send an entry again. */
  offer(entry, again) {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'again'
    button.textContent = 'Send again'
    button.addEventListener('click', () => {
      button.remove()
      again()
    }, { once: true })
    entry.append(button)
  }

  /** Shows what happened to the session. `action`: { label, run } for a button. */
  notice(text, tone, action) {
    const entry = this.#add('notice')
    entry.dataset.tone = tone
    const body = document.createElement('p')
    body.textContent = text
    entry.append(body)
    if (action) {
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = action.label
      button.addEventListener('click', () => {
        button.remove()
        action.run()
      }, { once: true })
      entry.append(button)
    }
    this.#show(entry)
  }

  #add(kind) {
    this.#empty.hidden = true
    const entry = document.createElement('div')
    entry.className = `entry ${kind}`
    return entry
  }

  #show(entry) {
    const log = this.#log
    log.append(entry)
    while (log.children.length > maxEntries) {
      const [, oldest] = log.children // the first is the empty state
      for (const image of oldest.querySelectorAll('img')) URL.revokeObjectURL(image.src)
      oldest.remove()
    }
    if (entry.classList.contains('mine')) this.#follows = true
    this.#follow()
  }

  #follow() {
    if (this.#follows) this.#log.scrollTop = this.#log.scrollHeight
  }
}

/** A picture from the bytes of a message, or text if the browser cannot show it. */
function picture({ type, bytes }, shown) {
  const image = document.createElement('img')
  image.alt = `The picture you sent, ${size(bytes.length)}, as it came back`
  image.className = 'body'
  image.addEventListener('load', shown)
  image.addEventListener('error', () => {
    const text = document.createElement('p')
    text.className = 'body file'
    text.textContent = `${size(bytes.length)} came back; this browser cannot show ${type || 'the format'}.`
    image.replaceWith(text)
  })
  image.src = URL.createObjectURL(new Blob([bytes], { type }))
  return image
}
