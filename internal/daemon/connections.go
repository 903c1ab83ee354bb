package daemon

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// lastRequest is how long a connection may still begin a request after the listener was closed.
const lastRequest = time.Second

// silentFor is how long nothing is answered on a connection before it gives way. A request that has been
// sent is in the handler much sooner.
const silentFor = 2 * time.Second

// connections is a listener with a bound. A connection on which nothing is being answered for a while,
// because it says nothing, or too little, or nothing more, gives way to a new one: of the remote address
// that has the most of these, the one that has been so for longest. So strangers who open connections
// and are silent keep no one out.
type connections struct {
	net.Listener
	most int

	mu     sync.Mutex // guards the fields below, and those of each connection
	change *sync.Cond // one was closed, or is not answered any more
	all    map[*connection]struct{}
	closed bool
}

// connection is one connection of the listener.
type connection struct {
	net.Conn
	of   *connections
	from string

	answering int // requests
	since     time.Time
}

func newConnections(ln net.Listener, most int) *connections {
	l := &connections{Listener: ln, most: most, all: map[*connection]struct{}{}}
	l.change = sync.NewCond(&l.mu)
	return l
}

// Accept implements [net.Listener]. While all connections are being answered it waits.
func (l *connections) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: raw, of: l, from: host(raw), since: time.Now()}
	l.mu.Lock()
	var gives *connection
	for len(l.all) >= l.most && !l.closed {
		var next time.Duration
		if gives, next = l.idlest(); gives != nil {
			delete(l.all, gives)
			break
		}
		timer := time.AfterFunc(next, l.change.Broadcast)
		l.change.Wait()
		timer.Stop()
	}
	closed := l.closed
	if !closed {
		l.all[c] = struct{}{}
	}
	l.mu.Unlock()
	if gives != nil {
		_ = gives.Conn.Close()
	}
	if closed {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// idlest is the connection that gives way; nil if none does before a while has passed.
func (l *connections) idlest() (idlest *connection, next time.Duration) {
	next = silentFor
	count := map[string]int{}
	var silent []*connection
	for c := range l.all {
		if c.answering > 0 {
			continue
		}
		if left := silentFor - time.Since(c.since); left > 0 {
			next = min(next, left)
			continue
		}
		count[c.from]++
		silent = append(silent, c)
	}
	for _, c := range silent {
		if idlest == nil || count[c.from] > count[idlest.from] || count[c.from] == count[idlest.from] && c.since.Before(idlest.since) {
			idlest = c
		}
	}
	return idlest, next
}

// Close implements [net.Listener]. Connections on which nothing is being answered follow, so that none of
// them keeps the process from stopping.
func (l *connections) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.change.Broadcast()
	time.AfterFunc(lastRequest, l.dismiss)
	return l.Listener.Close()
}

// dismiss closes the connections on which nothing is being answered.
func (l *connections) dismiss() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.all {
		if c.answering == 0 {
			delete(l.all, c)
			_ = c.Conn.Close()
		}
	}
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.all, c)
	c.of.mu.Unlock()
	c.of.change.Broadcast()
	return c.Conn.Close()
}

// answers notes that a request begins or ends.
func (c *connection) answers(more int) {
	c.of.mu.Lock()
	c.answering += more
	c.since = time.Now()
	c.of.mu.Unlock()
	c.of.change.Broadcast()
}

// host is the remote address without the port.
func host(c net.Conn) string {
	text := c.RemoteAddr().String()
	if name, _, err := net.SplitHostPort(text); err == nil {
		return name
	}
	return text
}

// connectionKey is where the context of a request has its connection.
type connectionKey struct{}

// withConnection is a [http.Server]'s ConnContext.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	if one, ok := c.(*connection); ok {
		ctx = context.WithValue(ctx, connectionKey{}, one)
	}
	return ctx
}

// answered has the connection of a request stay open until the request is answered.
func answered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			c.answers(1)
			defer c.answers(-1)
		}
		next.ServeHTTP(w, r)
	})
}
