// Package fault makes an HTTP handler misbehave to a plan.
//
// A [Plan] is a list of rules. Each rule says which requests it is for (a path
// prefix, then numbers, a range of numbers, or a seeded probability) and what
// goes wrong with them (its [Kind]). [Plan.Wrap] puts the plan in front of a
// handler:
//
//	plan := &fault.Plan{Seed: 7, Rules: []fault.Rule{
//		{Kind: fault.TooManyRequests, Path: "/search", Nth: []int{3}, RetryAfter: "2"},
//		{Kind: fault.ResetAfter, Path: "/api/logs", Rate: 0.1},
//	}}
//	server := httptest.NewServer(plan.Wrap(handler))
//
// For every request the rules are looked at in order, and the first one that
// fires decides. A rule's numbers count the requests that match its path,
// whether or not another rule fired on them, so that a rule can be read on its
// own. Whether a probability fires depends only on the seed, the rule and the
// number of the request: the same requests in the same order meet the same
// faults.
//
// [Transport] calls a handler without sockets or goroutines, so that the same
// plans work under testing/synctest, where a blocked read of a socket would
// stop the fake clock.
package fault

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is what goes wrong with a request.
type Kind string

// The kinds of faults. "Done" says whether the handler saw the request, that
// is whether the work was done although the client may not know it.
const (
	// TooManyRequests answers 429 with Rule.RetryAfter. Not done.
	TooManyRequests Kind = "too_many_requests"
	// ServerError answers 500 with a JSON error body. Not done.
	ServerError Kind = "server_error"
	// BadGateway answers 502 with an HTML page, as a proxy does. Not done.
	BadGateway Kind = "bad_gateway"
	// Unavailable answers 503 with an empty body. Not done.
	Unavailable Kind = "unavailable"
	// Unauthorized answers 401 as for an expired token. Not done.
	Unauthorized Kind = "unauthorized"
	// Reset aborts the connection before any answer. Not done.
	Reset Kind = "reset"
	// Cut answers with the right status and headers, but the connection ends
	// in the middle of the body. Done.
	Cut Kind = "cut"
	// Malformed answers 200 with JSON that breaks off; the HTTP message itself is
	// whole. Done.
	Malformed Kind = "malformed"
	// WrongShape answers 200 with a JSON object, which is wrong where a list
	// belongs. Not done: a gateway answered instead of the service.
	WrongShape Kind = "wrong_shape"
	// ResetAfter lets the handler do its work and aborts the connection instead
	// of answering: the client can't tell it from Reset. Done.
	ResetAfter Kind = "reset_after"
	// Early answers Rule.Status (200 if that is zero) with an empty body, as the
	// service's yes may look, without having read the request's body. Not done.
	Early Kind = "early"
	// Foreign answers Rule.Status (200 if that is zero) with Rule.Body, by default
	// the refusal of a proxy that enforces a policy, once the request's body was
	// read. Not done.
	Foreign Kind = "foreign"
	// Slow answers rightly, but only after Rule.Delay. Done, unless the client
	// gave up before.
	Slow Kind = "slow"
)

// Rule says which requests meet which fault. With Nth empty, From, To and Rate
// zero, every request that matches Path does.
type Rule struct {
	Kind Kind
	// Path is a prefix of the URL's path; "" matches all.
	Path string
	// Nth are 1-based numbers among the requests that match Path. If it is not
	// empty, From, To and Rate are not looked at.
	Nth []int
	// From and To are an inclusive range of those numbers; 0 leaves an end open.
	From, To int
	// Rate is the probability (0 to 1) within the range; 0 means always.
	Rate float64
	// RetryAfter is sent verbatim as the header of that name with the kinds that
	// answer with an error status: "2", an HTTP date, "soon". "" sends none.
	RetryAfter string
	// Status is the status of [Early] and [Foreign]; 0 means 200.
	Status int
	// Header is one more header of [Foreign], "Name: value". With it the answer has no body
	// unless Body says otherwise.
	Header string
	// Body replaces the body of the kinds that answer without asking the
	// handler, for services that word their errors in another way.
	Body string
	// Delay comes before the fault, for every kind. It ends early when the
	// client gives up.
	Delay time.Duration
}

// Plan is a set of rules and the count of what they did. The zero value and a
// nil *Plan inject nothing. Seed and Rules must not change once it is in use;
// apart from that a Plan is safe for concurrent use. It must not be copied.
type Plan struct {
	Seed  int64
	Rules []Rule

	mu       sync.Mutex
	seen     []int // requests that matched the path of each rule
	injected map[Kind]int
}

// Injected returns how many faults of each kind were injected so far.
func (p *Plan) Injected() map[Kind]int {
	if p == nil {
		return map[Kind]int{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.injected == nil {
		return map[Kind]int{}
	}
	return maps.Clone(p.injected)
}

// Total returns how many faults were injected so far.
func (p *Plan) Total() int {
	n := 0
	for _, count := range p.Injected() {
		n += count
	}
	return n
}

// Wrap returns a handler that lets h misbehave to the plan.
func (p *Plan) Wrap(h http.Handler) http.Handler {
	if p == nil || len(p.Rules) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rule, ok := p.next(r.URL.Path)
		if !ok {
			h.ServeHTTP(w, r)
			return
		}
		rule.serve(w, r, h)
	})
}

// next counts a request and returns the rule that fires on it.
func (p *Plan) next(path string) (Rule, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = make([]int, len(p.Rules))
		p.injected = make(map[Kind]int)
	}
	fired := -1
	for i, rule := range p.Rules {
		if !strings.HasPrefix(path, rule.Path) {
			continue
		}
		p.seen[i]++
		if fired < 0 && rule.fires(p.seen[i], p.Seed, i) {
			fired = i
		}
	}
	if fired < 0 {
		return Rule{}, false
	}
	p.injected[p.Rules[fired].Kind]++
	return p.Rules[fired], true
}

// fires says whether the rule, the index-th of the plan, is for the n-th
// request that matches its path.
func (r Rule) fires(n int, seed int64, index int) bool {
	if len(r.Nth) > 0 {
		return slices.Contains(r.Nth, n)
	}
	if n < r.From || n > cmp.Or(r.To, n) {
		return false
	}
	return r.Rate == 0 || coin(seed, index, n) < r.Rate
}

// coin is a number in [0,1) that depends on its arguments alone, so that
// concurrent requests can't change what a later one meets.
func coin(seed int64, index, n int) float64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[0:], uint64(seed))
	binary.LittleEndian.PutUint64(b[8:], uint64(index))
	binary.LittleEndian.PutUint64(b[16:], uint64(n))
	h := fnv.New64a()
	_, _ = h.Write(b[:])
	x := h.Sum64()
	// FNV leaves its last bytes badly mixed; the finalizer of splitmix64 spreads them.
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
