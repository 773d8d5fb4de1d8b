// What the page puts into a message: its own number, so that it can count, and the content.
//
//   text     "17 hello"
//   picture  u32 number, u8 length of the media type, media type, bytes

const ascii = new TextDecoder()

/** Wraps text. */
export const wrapText = (number, text) => `${number} ${text}`

/** Wraps a picture's bytes. */
export function wrapPicture(number, type, bytes) {
  const name = new TextEncoder().encode(type)
  const whole = new Uint8Array(5 + name.length + bytes.length)
  new DataView(whole.buffer).setUint32(0, number)
  whole[4] = name.length
  whole.set(name, 5)
  whole.set(bytes, 5 + name.length)
  return whole
}

/** Unwraps what came back: { number, text } or { number, type, bytes }; number 0 if it is not ours. */
export function unwrap(data) {
  if (typeof data === 'string') {
    const [, number, text] = /^(\d+) ([^]*)$/.exec(data) ?? []
    return { number: Number(number ?? 0), text: text ?? data }
  }
  if (data.length < 5 || data.length < 5 + data[4]) return { number: 0, type: '', bytes: data }
  const number = new DataView(data.buffer, data.byteOffset).getUint32(0)
  const start = 5 + data[4]
  return { number, type: ascii.decode(data.subarray(5, start)), bytes: data.subarray(start) }
}

/** Whether two messages are the same, byte by byte. */
export function same(a, b) {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
