package session

// A control that nobody knows is said now and then, so that no peer comes to rely on there being none (HF1-BAT-13).

// appendGrease says a control that is to be ignored. letters are drawn at random.
func appendGrease(dst []byte, letters [4]byte) []byte {
	name := []byte("grease-")
	for _, c := range letters {
		name = append(name, 'a'+c%26)
	}
	return appendControl(dst, false, string(name), nil)
}

// greased is one ping in sixteen of a client's.
func (m *clientMachine) greased(ctl []byte) []byte {
	if m.cfg.random() >= 1.0/16 {
		return ctl
	}
	var letters [4]byte
	for i := range letters {
		letters[i] = byte(m.cfg.random() * 26)
	}
	return appendGrease(ctl, letters)
}

// greased is about one ping in thirteen of a server's: what it draws are 64 characters, of which five sort before "4".
func (m *serverMachine) greased(ctl []byte) []byte {
	draw := m.cfg.random()
	if draw[0] >= '4' {
		return ctl
	}
	return appendGrease(ctl, [4]byte([]byte(draw[1:])))
}
