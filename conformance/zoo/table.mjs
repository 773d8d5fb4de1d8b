// A row of the table for each cell.

const widths = [24, 8, 7, 7, 14, 14, 0]
const line = (fields) => fields.map((field, i) => String(field).padEnd(widths[i])).join(' ').trimEnd()

/** Lost, doubled and out of order, for each direction. */
export const heading = line(['cell', 'verdict', 'first', 'stall', 'up l/d/o', 'down l/d/o', 'transports (seconds)'])

export function row({ cell, verdict, firstMs, up, down, transports = [], ended, sessions }) {
  if (!up) return line([cell, verdict, '', '', '', '', ''])
  const faults = ({ lost, duplicated, outOfOrder, altered }) =>
    `${lost}/${duplicated}/${outOfOrder}${altered ? ` alt ${altered}` : ''}`
  const used = transports.map(([at, name]) => `${name} ${(at / 1000).toFixed(1)}`).join(', ')
  const notes = [ended, sessions > 1 && `${sessions} sessions`].filter(Boolean).map((note) => ` [${note}]`).join('')
  const stall = Math.max(up.stallMs, down.stallMs)
  return line([cell, verdict, firstMs ?? '-', stall, faults(up), faults(down), used + notes])
}
