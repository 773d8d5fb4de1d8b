// The order of work, in one place: it runs after every input.

import { checkClosing } from './closing.js'
import { checkMissingLines, judgeAttachment, noteActive } from './liveness.js'
import { remember } from './memory.js'
import { lineWaits, pump } from './output.js'
import { checkPosts } from './posts.js'
import { closeUnused, promote, rotateByAge } from './promotion.js'
import { connect } from './race.js'
import { healthy, type Machine } from './state.js'
import { noteWorking } from './transports.js'
import { late } from './wake.js'

/** Judges what is late, does what is due and plans the next deadline. */
export function step(m: Machine): void {
  late(m)
  // What one rule changes another has to judge; a few times is all it takes.
  m._again = true
  for (let rounds = 8; m._again && rounds && !m._closing._over; rounds--) judge(m)
  if (m._closing._over) m._deadline = 0
  else pump(m)
}

function judge(m: Machine): void {
  const { _current } = m
  m._deadline = 0
  m._again = false
  // Lines go out now, and what the server promises from then on is judged below.
  if (_current && lineWaits(m, _current)) noteActive(m)
  // The youngest first.
  for (const attachment of [...m._attachments].reverse()) judgeAttachment(m, attachment)
  checkPosts(m)
  const inUse = healthy(m)
  if (inUse) {
    noteWorking(m, inUse)
    checkMissingLines(m, inUse)
    rotateByAge(m, inUse)
  }
  connect(m)
  promote(m)
  closeUnused(m)
  checkClosing(m)
  remember(m)
}
