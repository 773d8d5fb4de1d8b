// What crosses: texts that break careless codecs, and PNG files. A sequence is written as it is
// hashed: for each message a type letter, its length as four bytes (big endian) and its bytes.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { crc32 as nodeCrc32, deflateSync } from 'node:zlib'

/** Texts in fifteen scripts, and what codecs stumble over. */
const texts = [
  'Latin: naïve façade, Žluťoučký kůň, Straße, ﬁ ligature, e\u0301 and é',
  'Ελληνικά: Ξεσκεπάζω την ψυχοφθόρα βδελυγμία',
  'Кириллица: Съешь же ещё этих мягких французских булок',
  'العربية: نص حكيم له سر قاطع وذو شأن عظيم',
  'עברית: דג סקרן שט בים מאוכזב ולפתע מצא חברה',
  'हिन्दी: ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण',
  '中文：視野無限廣，窗外有藍天。𠜎𠜱𠝹',
  '日本語：いろはにほへと　ちりぬるを　ﾊﾝｶｸ',
  '한국어: 키스의 고유조건은 입술끼리 만나야 하고',
  'ไทย: เป็นมนุษย์สุดประเสริฐเลิศคุณค่า',
  'தமிழ்: யாமறிந்த மொழிகளிலே தமிழ்மொழி போல்',
  'ქართული: ვეპხის ტყაოსანი',
  'አማርኛ: ሰማይ አይታረስ ንጉሥ አይከሰስ',
  'Հայերեն: Կրնամ ապակի ուտել',
  'ᏣᎳᎩ and 𐎀𐎁𐎂 and 𝔘𝔫𝔦𝔠𝔬𝔡𝔢',
  'emoji: 👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇳 👍🏽 ☠️ 1️⃣ \u{10ffff}',
  '\u0000',
  'a\u0000b\u0000',
  '\ufeff',
  '\ufeffleading mark',
  'mark \ufeff inside',
  '\u2028',
  'line\u2028and paragraph\u2029',
  '\u0085next line\u0085',
  '\r',
  'lone\rreturn',
  '\r\n',
  'windows\r\nlines\r\n',
  '\n',
  'unix\nlines\n\n',
  '\n.\n',
  '.\n',
  '\r\n.\r\n',
  '\\',
  '\\n',
  '\\\\',
  'C:\\new\\table\\reports',
  '\\r\\n',
  'ends with \\',
  '\\u0000',
  'ttype letter',
  'bSGVsbG8=',
  '+tpiece',
  '@1 0',
  '!close {"code":4100}',
  '?ignore',
  '.',
  'data: event\n\ndata: stream',
  'holdfast/1 poll AAAAAAAAAAAAAAAA',
  ' leading and trailing ',
  '\t\v\f\u0001\u001b[31m\u007f',
  '\u00ad\u200b\u200d\u200e\u202e\ufffd\ufffe',
  '<!doctype html><script>alert(1)</script>',
  'a=1&b=2%00%0d%0a',
  JSON.stringify({
    id: 7,
    tags: ['a', 'b'],
    nested: { null: null, text: 'line\nbreak "quoted" \u2028 \\' },
    n: -1.5e-9,
  }),
  JSON.stringify([[[[[[]]]]]], null, 2),
  `{"a":"${'x'.repeat(900)}"}`,
  'long: ' + 'Ünï©ødé 🎈 \\ '.repeat(400),
  'longer: ' + '漢字かな交じり文'.repeat(3000),
]

const icons = [24, 48, 64, 128, 256].map((n) => `/usr/share/icons/hicolor/${n}x${n}/apps/chromium.png`)

/** PNG files: the icons that Debian's chromium package brings, and three that are made here. */
export function pngFiles() {
  const files = icons.filter(existsSync).map((path) => readFileSync(path))
  const photo = makePng(420, 300, (x, y, c) => ((x * (c + 1)) ^ (y * 3)) + 90 * noise(x, y, c))
  if (photo.length < 300_000) throw new Error('the large picture is too small')
  files.push(
    photo,
    makePng(64, 64, (x, y, c) => [x * 4, y * 4, (x ^ y) * 4][c]),
    makePng(1, 1, () => 128),
  )
  for (let n = 2; files.length < 8; n++) files.push(makePng(16 * n, 16 * n, (x, y, c) => x * y * (c + n)))
  return files
}

function noise(x, y, c) {
  const n = Math.imul((x * 374761393 + y * 668265263 + c * 974711) | 0, 1274126177)
  return ((n ^ (n >>> 13)) >>> 0) / 2 ** 32
}

/** An RGB picture of eight bits, from a function of place and channel. */
function makePng(width, height, value) {
  const rows = Buffer.alloc(height * (1 + 3 * width))
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) rows[y * (1 + 3 * width) + 1 + 3 * x + c] = value(x, y, c) & 255
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const whole = Buffer.alloc(8 + body.length)
  whole.writeUInt32BE(data.length, 0)
  whole.set(body, 4)
  whole.writeUInt32BE(crc32(body), 4 + body.length)
  return whole
}

/** node:zlib has had crc32 since 20.15. */
const crc32 =
  nodeCrc32 ??
  ((bytes) => {
    let crc = -1
    for (const byte of bytes) {
      crc ^= byte
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
    }
    return ~crc >>> 0
  })

/**
 * Gives a picture a number: a text chunk right after the header, so that it stays a valid PNG file.
 */
function numberPicture(file, number) {
  const end = 8 + 25
  return Buffer.concat([
    file.subarray(0, end),
    chunk('tEXt', Buffer.from(`Comment\0#${number}\0`, 'latin1')),
    file.subarray(end),
  ])
}

/**
 * A sequence of `count` numbered messages; every twentieth is a picture. `turn` makes two sequences
 * differ.
 */
export function sequence(count, turn) {
  const pictures = pngFiles()
  const parts = []
  let binary = 0
  let large = 0
  for (let number = 1; number <= count; number++) {
    const picture = number % 20 === 7 && pictures[(binary++ + turn) % pictures.length]
    if (picture.length > 300_000) large++
    const data = picture
      ? numberPicture(picture, number)
      : Buffer.from(`${texts[(number * 7 + turn) % texts.length]}#${number}`)
    const head = Buffer.alloc(5)
    head.write(picture ? 'b' : 't', 'latin1')
    head.writeUInt32BE(data.length, 1)
    parts.push(head, data)
  }
  const bytes = Buffer.concat(parts)
  return { bytes, binary, large, hash: createHash('sha256').update(bytes).digest('hex') }
}
