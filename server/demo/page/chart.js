// A chart of the last minute: the round trip of each message, and below it the transport that carried
// the session. It is drawn at most a few times per second, from two short arrays.

import { span } from './text.js'

const minute = 60e3
const maxPoints = 2000
const low = 0.5 // ms, the bottom of the logarithmic scale
const high = 60e3
const lines = [[1, '1 ms'], [10, '10 ms'], [100, '100 ms'], [1000, '1 s'], [10e3, '10 s']]
const gutter = { left: 52, right: 10, top: 8, bottom: 40 }
const band = { height: 14, below: 18 }

export class Chart {
  #canvas
  #trips = [] // { at, ms, transport }
  #carried = [] // { from, transport }, the last one open
  #marks = [] // { at }: actions of the visitor
  #colours = {}

  constructor(canvas) {
    this.#canvas = canvas
    this.#readColours()
    for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)'])
      matchMedia(query).addEventListener('change', () => this.#readColours())
  }

  trip(ms, transport, at) {
    this.#trips.push({ at, ms, transport })
    if (this.#trips.length > maxPoints) this.#trips.shift()
  }

  carries(transport, from) {
    this.#carried.push({ from, transport })
  }

  mark(at) {
    this.#marks.push({ at })
  }

  /** The figures as text, for the line above the chart. */
  summary() {
    const sorted = this.#trips.map((trip) => trip.ms).sort((a, b) => a - b)
    if (!sorted.length) return 'Round trips appear here as messages come back.'
    const at = (share) => span(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))])
    return `Round trip: half within ${at(0.5)}, 95\u00a0% within ${at(0.95)}, slowest ${at(1)}.`
  }

  /** Draws. `pending` is the age in ms of the oldest message that has not come back, or 0. */
  draw(now, pending) {
    this.#forget(now)
    const { clientWidth: width, clientHeight: height } = this.#canvas
    if (!width) return
    const ratio = devicePixelRatio || 1
    if (this.#canvas.width !== Math.round(width * ratio)) this.#canvas.width = Math.round(width * ratio)
    if (this.#canvas.height !== Math.round(height * ratio)) this.#canvas.height = Math.round(height * ratio)
    const c = this.#canvas.getContext('2d')
    c.setTransform(ratio, 0, 0, ratio, 0, 0)
    c.clearRect(0, 0, width, height)
    const right = width - gutter.right
    const floor = height - gutter.bottom
    const x = (at) => right - ((now - at) / minute) * (right - gutter.left)
    const y = (ms) => {
      const share = Math.log(Math.min(Math.max(ms, low), high) / low) / Math.log(high / low)
      return floor - share * (floor - gutter.top)
    }
    this.#grid(c, x, y, now, floor)
    this.#bands(c, x, now, floor + band.below - 10)
    for (const { at, ms, transport } of this.#trips) this.#dot(c, x(at), y(ms), transport)
    if (pending > 500) this.#pending(c, right, y(pending))
  }

  #forget(now) {
    const since = now - minute
    const old = this.#trips.findIndex((trip) => trip.at >= since)
    this.#trips.splice(0, old < 0 ? this.#trips.length : old)
    while (this.#carried[1]?.from < since) this.#carried.shift()
    while (this.#marks[0]?.at < since) this.#marks.shift()
  }

  #grid(c, x, y, now, floor) {
    c.font = `11px ${this.#colours.font}`
    c.textBaseline = 'middle'
    c.textAlign = 'right'
    c.lineWidth = 1
    for (const [ms, label] of lines) {
      c.strokeStyle = this.#colours.line
      c.beginPath()
      c.moveTo(gutter.left, y(ms))
      c.lineTo(x(now), y(ms))
      c.stroke()
      c.fillStyle = this.#colours.soft
      c.fillText(label, gutter.left - 8, y(ms))
    }
    c.textBaseline = 'alphabetic'
    const bottom = floor + gutter.bottom - 4
    c.textAlign = 'left'
    c.fillText('60 s ago', gutter.left, bottom)
    c.textAlign = 'center'
    c.fillText('30 s', x(now - minute / 2), bottom)
    c.textAlign = 'right'
    c.fillText('now', x(now), bottom)
    c.strokeStyle = this.#colours.soft
    c.setLineDash([2, 3])
    for (const { at } of this.#marks) {
      c.beginPath()
      c.moveTo(x(at), gutter.top)
      c.lineTo(x(at), floor + band.below + band.height - 10)
      c.stroke()
    }
    c.setLineDash([])
  }

  #bands(c, x, now, top) {
    this.#carried.forEach(({ from, transport }, i) => {
      const start = Math.max(x(from), gutter.left)
      const end = x(this.#carried[i + 1]?.from ?? now)
      if (end <= gutter.left) return
      c.fillStyle = this.#colour(transport)
      // No transport is a thin line, so that it differs by form as well as by colour.
      if (transport) c.fillRect(start, top, Math.max(end - start, 1.5), band.height)
      else c.fillRect(start, top + band.height / 2 - 1, Math.max(end - start, 1.5), 2)
    })
  }

  #dot(c, x, y, transport) {
    c.fillStyle = this.#colour(transport)
    c.beginPath()
    if (transport === 'sse') c.rect(x - 2, y - 2, 4, 4)
    else if (transport === 'longpoll') {
      c.moveTo(x, y - 3)
      c.lineTo(x + 3, y + 2.5)
      c.lineTo(x - 3, y + 2.5)
    } else c.arc(x, y, 2.2, 0, 7)
    c.fill()
  }

  #pending(c, x, y) {
    c.strokeStyle = this.#colours.none
    c.lineWidth = 2
    c.beginPath()
    c.arc(x - 3, y, 4, 0, 7)
    c.stroke()
  }

  #colour(transport) {
    return this.#colours[transport || 'none']
  }

  #readColours() {
    const style = getComputedStyle(this.#canvas)
    const read = (name) => style.getPropertyValue(name).trim()
    this.#colours = {
      websocket: read('--websocket'), sse: read('--sse'), longpoll: read('--longpoll'), none: read('--none'),
      line: read('--line'), soft: read('--soft'), font: style.fontFamily,
    }
  }
}
