package clientmachine

import (
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// promote keeps looking for a better transport than the one in use, and selects it when it is
// validated (HF1-LIV-11).
func (m *Machine) promote(now time.Time) {
	inUse := m.healthy()
	if inUse == nil || !inUse.use.by.IsZero() || !m.mayMove() {
		return
	}
	for _, t := range m.transports {
		if t == inUse.transport {
			return
		}
		a := m.standbyOn(t)
		switch {
		case a != nil && a.state == open && a.standing.validated:
			m.use(a, now)
			return
		case a != nil:
		case t.coolingDown(now):
			m.due(now, t.cooldownUntil)
			continue
		default:
			m.attach(t, 0, now)
		}
		return // one at a time, the best first
	}
}

func (m *Machine) standbyOn(t *transportState) *attachment {
	for _, a := range m.attachments.list {
		if a.transport == t && a.drainUntil.IsZero() {
			return a
		}
	}
	return nil
}

// closeUnused closes what is no longer wanted: an old attachment after its drain timeout, and worse
// ones once the one in use is validated.
func (m *Machine) closeUnused(now time.Time) {
	inUse := m.selection.current
	if inUse == nil {
		return
	}
	for i := len(m.attachments.list) - 1; i >= 0; i-- {
		a := m.attachments.list[i]
		if a == inUse || !inUse.use.by.IsZero() {
			continue
		}
		draining, validated := !a.drainUntil.IsZero(), inUse.standing.validated && !inUse.standing.suspect
		switch {
		case draining && (a.standing.detached || m.due(now, a.drainUntil)),
			!draining && validated && a.transport.rank >= inUse.transport.rank:
			m.endAttachment(a, transport.CodeDetached, "left", now)
		}
	}
}

// rotateByAge leaves an attachment in use that will soon die of age (HF1-LIV-17).
func (m *Machine) rotateByAge(a *attachment, now time.Time) {
	age := a.transport.age
	if age == 0 || a.isPoll() || !a.use.by.IsZero() || !m.mayMove() {
		return
	}
	if m.due(now, a.openedAt.Add(max(age, minAge)*8/10)) {
		m.move(a, "age", now)
	}
}

// mayMove: the session is to go on, and may do so on another attachment.
func (m *Machine) mayMove() bool {
	return !m.auth.waiting && m.out.Closing() == 0 && m.closing.peer == nil
}
