package daemon

import (
	"net/http"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/status/page"
)

// keyHeader is where the function expects its key, too.
const keyHeader = "X-Functions-Key"

// Access says who may see the status and start a run. In Azure the host demands a key; here nothing
// stands before the listener.
type Access struct {
	// Local allows it to this machine without a key. Set it only for a listener on loopback.
	Local bool
	// Key, if not empty, allows it to anyone who presents it: in the header X-Functions-Key, or as the
	// password of Basic authentication, for which a browser asks.
	Key secret.String
}

// allows reports whether a request may see the status.
func (a Access) allows(r *http.Request) bool {
	if a.Local && functions.Local(r) {
		return true
	}
	_, password, _ := r.BasicAuth()
	key := a.Key.Reveal()
	return key != "" && (gate.Equal(r.Header.Get(keyHeader), key) || gate.Equal(password, key))
}

// routes serves pushes, and the status to those who may see it.
func (c Config) routes() http.Handler {
	hooks, status := c.Handler.Hooks(), c.Handler.Status()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		root := r.URL.Path == "/"
		switch {
		case !root && !page.Serves(r.URL.Path):
			hooks.ServeHTTP(w, r)
		case !c.Access.allows(r):
			c.deny(w, r)
		case root:
			http.Redirect(w, r, page.Path, http.StatusFound)
		default:
			status.ServeHTTP(w, r)
		}
	})
}

// deny refuses the status, and says what would be needed.
func (c Config) deny(w http.ResponseWriter, r *http.Request) {
	if c.Access.Key.IsZero() {
		c.Log.Debug("status refused", "remote", r.RemoteAddr)
		http.Error(w, "the status is for this machine only: use a browser there, or start serve with --status-key", http.StatusForbidden)
		return
	}
	c.Log.Warn("status refused", "remote", r.RemoteAddr, "reason", "the key is missing or wrong")
	w.Header().Set("WWW-Authenticate", `Basic realm="idnsentinel", charset="UTF-8"`)
	http.Error(w, "the key is missing or wrong", http.StatusUnauthorized)
}
