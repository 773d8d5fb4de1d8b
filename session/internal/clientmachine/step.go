package clientmachine

import "time"

// maxRounds bounds how often the rules are gone through in one step.
const maxRounds = 8

// step judges every deadline by the clock it is given and plans the next (HF1-LIV-07). It runs
// after every event.
func (m *Machine) step(now time.Time) {
	m.checkLate(now)
	m.again = true
	for i := 0; m.again && m.closing.over == nil && i < maxRounds; i++ {
		m.again = false // what one rule changes another has to judge; a few rounds are all it takes
		m.judge(now)
	}
	if m.closing.over != nil {
		m.deadline.Clear()
		return
	}
	m.pump(now)
}

// judge goes through all rules: this is the order of work.
func (m *Machine) judge(now time.Time) {
	m.deadline.Clear()
	if a := m.selection.current; a != nil && a.state == open && m.lineWaits(a) {
		m.noteActive(now) // lines go out now, and what the server promises from then on is judged below
	}
	for i := len(m.attachments.list) - 1; i >= 0 && m.closing.over == nil; i-- {
		m.judgeAttachment(m.attachments.list[i], now)
	}
	m.judgePosts(now)
	if a := m.healthy(); a != nil {
		m.noteWorking(a, now)
		m.checkMissingLines(a, now)
		m.rotateByAge(a, now)
	}
	m.checkAuth(now)
	m.connect(now)
	m.promote(now)
	m.closeUnused(now)
	m.judgeEnd(now)
	m.remember(now)
}
