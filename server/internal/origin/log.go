package origin

// maxLogged bounds the table of Origins whose refusal was logged. At the bound the one seen longest
// ago is forgotten, so its next refusal is logged again.
const maxLogged = 256

// refused tells the operator, once per Origin, which setting would let it in: the commonest first
// hour with a proxy that rewrites Host ends here.
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

// clip bounds what a stranger can put into one log line; the handler quotes it.
func clip(s string) string { return s[:min(len(s), 120)] }
