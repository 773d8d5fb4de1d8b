package origin

// maxLogged bounds the table of Origins whose refusal was logged. At the bound the least recent one
// is dropped, so its next refusal is logged again.
const maxLogged = 256

// refused logs, once per Origin, which setting would allow it. A proxy that rewrites Host is the
// most common problem of new installations, and this line solves it.
func (p *Policy) refused(d Decision) {
	p.log(d.Origin, "origin refused", "origin", d.Origin, "host", d.host,
		"fix", "add "+d.Origin+" to Origins / -origins")
}

func (p *Policy) log(key, msg string, args ...any) {
	p.mu.Lock()
	_, seen := p.logged.Get(key)
	if !seen {
		p.logged.Add(key, struct{}{})
	}
	p.mu.Unlock()
	if !seen {
		p.logger.Warn(msg, args...)
	}
}

// clip bounds what a client can put into one log line; the log handler quotes it.
func clip(s string) string { return s[:min(len(s), 120)] }
