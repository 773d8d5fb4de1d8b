package origin

// maxLogged bounds the table of Origins whose refusal was logged: one page that tries again and
// again has one line. It is no bound on the lines of a stranger, who makes names up: that is the
// limit of the logger.
const maxLogged = 256

// refused logs, once per Origin, which setting would allow it. A proxy that rewrites Host is the
// most common problem of new installations, and this line solves it.
func (p *Policy) refused(d Decision) {
	fix := "add " + d.Origin + " to Origins / -origins"
	if d.Origin == file {
		fix += ", or null: it lets in files over every transport, and every other opaque page"
	}
	p.log(d.Origin, "origin", d.Origin, "host", d.host, "fix", fix)
}

func (p *Policy) log(key string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.logged.Contains(key) {
		return
	}
	if p.logger.Warn("origin refused", args...) { // one that was left out may have its line later
		p.logged.Add(key, struct{}{})
	}
}

// clip bounds what a client can put into one log line; the log handler quotes it.
func clip(s string) string { return s[:min(len(s), 120)] }
