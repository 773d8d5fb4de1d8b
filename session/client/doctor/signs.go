package doctor

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// relays are headers that the server never sends: a relay between client and server has added them.
var relays = []string{
	"Via", "Age", "X-Cache", "X-Cache-Hits", "X-Cache-Lookup", "X-Served-By", "X-Varnish", "X-Forwarded-For",
	"X-Proxy-Id", "Proxy-Connection",
	"Cf-Ray", "X-Amz-Cf-Id", "X-Azure-Ref", "X-Squid-Error", "X-Bluecoat-Via", "X-Zscaler-Transaction-Id",
}

const maxSkew = 90 * time.Second

// checkHeader records what the header of any answer shows about relays.
func (d *diagnosis) checkHeader(r *http.Response, sent time.Time) {
	for _, name := range relays {
		if v := r.Header.Get(name); v != "" {
			d.find("intermediary", name+": "+clean(v, 80))
		}
	}
	if v := r.Header.Get("Server"); v != "" {
		d.fact("Server header", clean(v, 80))
	}
	if r.TLS != nil {
		d.checkTLS(r.TLS)
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		d.find("http10", fmt.Sprintf("an answer with status %d came by HTTP/1.0", r.StatusCode))
	}
	d.fact("HTTP version", r.Proto)
	if at, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		now := time.Now()
		middle := sent.Add(now.Sub(sent) / 2)
		if skew := at.Sub(middle); skew.Abs() > maxSkew+now.Sub(sent) {
			word := "ahead of"
			if skew < 0 {
				word = "behind"
			}
			d.find("clock-skew",
				fmt.Sprintf("the server's Date is %s %s this machine's clock", skew.Abs().Round(time.Second), word))
		}
	}
}

// checkCaching records what is missing in the header of an answer of the server.
func (d *diagnosis) checkCaching(h http.Header) {
	cache := strings.ToLower(h.Get("Cache-Control"))
	for header, there := range map[string]bool{
		"Cache-Control: no-store":         strings.Contains(cache, "no-store"),
		"Cache-Control: no-transform":     strings.Contains(cache, "no-transform"),
		"X-Content-Type-Options: nosniff": strings.EqualFold(h.Get("X-Content-Type-Options"), "nosniff"),
	} {
		if !there {
			d.find("headers-stripped", header+" is missing from an answer of the server's")
		}
	}
}
