package workspace

import (
	"slices"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// DefaultRule is an invented immutable id of a data collection rule.
const DefaultRule = "dcr-0f1e2d3c4b5a49788695a4b3c2d1e0f1"

// Rule is a data collection rule. Its fields must not change once it serves.
type Rule struct {
	// Streams are what it declares, without "Custom-".
	Streams []schema.Stream
	// Flows say which tables a stream fills, and how: the transforms, as data.
	Flows []schema.Table
	// Audience is what tokens must be for; "" means that of the public cloud.
	Audience string
	// Directory is the directory that the rule is in; "" takes tokens of any.
	Directory string
	// Senders are the object IDs of who has the role to send to it; nil is everybody.
	Senders []string
	// Granted is when the sender's role has spread: until then posts are
	// answered with 403. The zero time is long ago.
	Granted time.Time
	// Broken is the code of a 400 that every post gets, with records or without, as
	// when something behind the rule is not in order; "" means none.
	Broken string
	// RequestsPerMinute is how many requests are let in; 0 means 12,000.
	RequestsPerMinute int

	mu     sync.Mutex
	minute time.Time
	seen   int
}

// NewRule returns the rule that the connector's template deploys. more are
// further tables that it feeds, for instance [schema.ISC].
func NewRule(more ...schema.Table) *Rule {
	tables := slices.Concat(schema.SailPoint(), []schema.Table{schema.Health(), schema.Reports(), schema.Okta()}, schema.IdentityIQ())
	return &Rule{Streams: schema.Streams(tables), Flows: append(tables, more...)}
}

// stream returns the declaration of a stream, whose name comes with "Custom-".
func (r *Rule) stream(name string) (schema.Stream, bool) {
	for _, s := range r.Streams {
		if "Custom-"+s.Name == name {
			return s, true
		}
	}
	return schema.Stream{}, false
}

// flows returns the tables that a stream fills.
func (r *Rule) flows(stream string) []*schema.Table {
	var all []*schema.Table
	for i := range r.Flows {
		if r.Flows[i].Stream.Name == stream {
			all = append(all, &r.Flows[i])
		}
	}
	return all
}

// admit counts a request, and says how long to wait if there were too many.
func (r *Rule) admit(now time.Time) (wait time.Duration) {
	most := r.RequestsPerMinute
	if most == 0 {
		most = 12_000
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.minute) >= time.Minute || r.minute.IsZero() {
		r.minute, r.seen = now, 0
	}
	if r.seen >= most {
		return r.minute.Add(time.Minute).Sub(now)
	}
	r.seen++
	return 0
}
