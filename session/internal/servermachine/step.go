package servermachine

import "time"

// step judges every deadline, plans the next, and wakes the conns that have something to write. It
// runs after every event: this is the order of work.
func (m *Machine) step(now time.Time) {
	m.deadline.Clear()
	if m.closing.over != nil {
		return
	}
	m.judgeEnd(now)
	if m.closing.over != nil {
		return
	}
	for i := len(m.attachments.list) - 1; i >= 0; i-- {
		m.judgeAttachment(m.attachments.list[i], now)
	}
	m.planAck(now)
	for _, a := range m.attachments.list {
		m.wakeWriters(a, now)
	}
}
