package okta_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
)

// linked changes the next links of the answers of an org.
type linked struct {
	http.Handler
	next func(self, next string) string
}

func (l linked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.Handler.ServeHTTP(relinking{w, func(link string) string {
		target, rel, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if !strings.Contains(rel, "next") {
			return link
		}
		return "<" + l.next("https://"+host+r.URL.RequestURI(), target) + ">" + rel
	}}, r)
}

// relinking changes links before they are sent.
type relinking struct {
	http.ResponseWriter
	change func(link string) string
}

func (r relinking) WriteHeader(status int) {
	r.relink()
	r.ResponseWriter.WriteHeader(status)
}

func (r relinking) Write(b []byte) (int, error) {
	r.relink()
	return r.ResponseWriter.Write(b)
}

func (r relinking) relink() {
	for i, link := range r.Header()["Link"] {
		r.Header()["Link"][i] = r.change(link)
	}
}

// Whatever a link says about scheme, host, port or credentials, requests go to the configured address.
func TestOddLinks(t *testing.T) {
	for name, next := range map[string]func(self, next string) string{
		"plain http":  func(_, next string) string { return strings.Replace(next, "https://", "http://", 1) },
		"a port":      func(_, next string) string { return strings.Replace(next, host, host+":8443", 1) },
		"credentials": func(_, next string) string { return strings.Replace(next, "https://", "https://user:canary@", 1) },
		"relative":    func(_, next string) string { return strings.TrimPrefix(next, "https://"+host) },
		"no scheme":   func(_, next string) string { return strings.TrimPrefix(next, "https:") },
		"a fragment":  func(_, next string) string { return next + "#here" },
		"capitals":    func(_, next string) string { return strings.Replace(next, host, strings.ToUpper(host), 1) },
		"empty parts": func(_, next string) string { return next + "&q=&filter=" },
		"an order":    func(_, next string) string { return next + "&sortOrder=ascending" },
		"no order":    func(_, next string) string { return strings.Replace(next, "&sortOrder=ASCENDING", "", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				want := fill(o, 250)
				var hosts []string
				cfg := config(linked{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Host != host || r.TLS == nil && r.URL.User != nil {
						hosts = append(hosts, r.Host)
					}
					o.ServeHTTP(w, r)
				}), next})
				cfg.PageSize = 100
				ids, at := walk(t, source.NewClient(cfg).Logs(), "")
				if len(ids) != len(want) || len(hosts) > 0 || len(o.Violations()) > 0 {
					t.Errorf("%d of %d events came; hosts %q, %q", len(ids), len(want), hosts, o.Violations())
				}
				if strings.Contains(string(at), "canary") && name != "credentials" {
					t.Errorf("the place is %s", at)
				}
			})
		})
	}
}

// otherQueries are parameters that make another request of a link.
var otherQueries = map[string]string{
	"until":  "&until=2026-01-01T00%3A00%3A00.000Z",
	"filter": "&filter=eventType+eq+%22x%22",
	"q":      "&q=&q=x",
	"order":  "&sortOrder=DESCENDING",
	"length": "&x=" + strings.Repeat("a", 20_000),
}

// obedient is an org that does what a link says: with other parameters it lists nothing more, and gives
// them on.
func obedient(o http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case len(r.URL.RawQuery) > 8<<10:
			w.WriteHeader(http.StatusRequestURITooLong)
		case q.Has("after") && (q.Has("until") || q.Has("filter") || q.Has("q") || q.Get("sortOrder") == "DESCENDING"):
			if !q.Has("until") {
				w.Header().Set("Link", "<https://"+host+r.URL.RequestURI()+`>; rel="next"`)
			}
			_, _ = w.Write([]byte("[]"))
		default:
			o.ServeHTTP(w, r)
		}
	})
}

// One answer whose link asks for something else hides nothing for longer than it lasts.
func TestLinkWithAnotherQuery(t *testing.T) {
	for name, query := range otherQueries {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				want := fill(o, 250)
				pages := 0
				cfg := config(linked{obedient(o), func(_, next string) string {
					if pages++; pages == 2 {
						next += query
					}
					return next
				}})
				cfg.PageSize = 100
				s := source.NewClient(cfg).Logs()
				first, err := s.Fetch(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				if _, err = s.Fetch(t.Context(), first.Next); !errors.As(err, new(*pipeline.Retryable)) || !strings.Contains(err.Error(), "may have changed it") {
					t.Errorf("an answer with another link: %v", err)
				}
				ids, _ := walk(t, s, first.Next)
				if n := len(first.Records) + len(ids); n != len(want) {
					t.Errorf("%d of %d events came", n, len(want))
				}
			})
		})
	}
}

// A place that was stored with such a link is given up, and so is one that a server in between refuses
// for its length.
func TestStoredLinkWithAnotherQuery(t *testing.T) {
	stored := map[string]string{"refused for its length": "&x=" + strings.Repeat("a", 3<<10)}
	maps.Copy(stored, otherQueries)
	for name, query := range stored {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				want := fill(o, 250)
				org := obedient(o)
				cfg := config(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if len(r.URL.RawQuery) > 2<<10 {
						w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
						return
					}
					org.ServeHTTP(w, r)
				}))
				cfg.PageSize = 100
				s := source.NewClient(cfg).Logs()
				first, err := s.Fetch(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				at := pipeline.Cursor(strings.Replace(string(first.Next), `","newest"`, strings.ReplaceAll(query, `"`, `\"`)+`","newest"`, 1))
				again, err := s.Fetch(t.Context(), at)
				if err != nil || len(again.Warnings) != 1 {
					t.Fatalf("%v, warnings %q", err, again.Warnings)
				}
				got := map[string]bool{}
				for _, r := range append(first.Records, again.Records...) {
					got[r.ID] = true
				}
				rest, _ := walk(t, s, again.Next)
				for _, id := range rest {
					got[id] = true
				}
				if len(got) != len(want) {
					t.Errorf("%d of %d events came", len(got), len(want))
				}
			})
		})
	}
}

// A page with events whose link leads to itself is not the end, be it full or short: its events come, and
// the run says that the log does not go on. An org gives an empty page such a link only, and a cache that
// answers with an old page hides what came since.
func TestPageLeadsToItself(t *testing.T) {
	for name, tc := range map[string]struct{ events, last int }{"full": {250, 100}, "short": {120, 20}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				fill(o, tc.events)
				cfg := config(linked{o, func(self, next string) string {
					if strings.Contains(self, "after=") {
						return self
					}
					return next
				}})
				cfg.PageSize = 100
				s := source.NewClient(cfg).Logs()
				first, err := s.Fetch(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				page, err := s.Fetch(t.Context(), first.Next)
				if err != nil || len(page.Records) != tc.last || page.More {
					t.Fatalf("%d events, more %v, %v", len(page.Records), page.More, err)
				}
				if page.Incomplete == nil || !strings.Contains(page.Incomplete.Error(), "leads to the page itself") {
					t.Errorf("incomplete: %v", page.Incomplete)
				}
				if time.Since(page.Through) < time.Hour {
					t.Errorf("covered through %v", page.Through)
				}
			})
		})
	}
}

// Pages that lead to each other are not read for ever, however many there are.
func TestPagesInACircle(t *testing.T) {
	for _, pages := range []int{2, 3, 7} {
		t.Run(strconv.Itoa(pages), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				fill(o, 150)
				var third string
				leads := map[string]string{} // each page to the next
				cfg := config(linked{o, func(self, next string) string {
					switch {
					case leads[self] != "":
						return leads[self]
					case len(leads) == 2:
						third = next
					case len(leads) == 2+pages:
						next = third
					}
					leads[self] = next
					return next
				}})
				cfg.PageSize = 10
				s := source.NewClient(cfg).Logs()
				var at pipeline.Cursor
				for n := 1; ; n++ {
					page, err := s.Fetch(t.Context(), at)
					if err != nil || !page.More && page.Incomplete == nil || n > 5*(2+pages) {
						t.Fatalf("page %d of a circle of %d: more %v, %v", n, pages, page.More, err)
					}
					if at = page.Next; page.Incomplete != nil {
						if !strings.Contains(page.Incomplete.Error(), "in a circle") {
							t.Error(page.Incomplete)
						}
						return
					}
				}
			})
		})
	}
}

// A refused proof, of a service app whose clock is off, says nothing about the place in the log.
func TestRefusedProofIsNotARefusedPlace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o, cfg := newApp()
		fill(o, 250)
		cfg.PageSize = 100
		refuse, asked := false, 0
		cfg.HTTP = config(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != okta.LogsPath || !refuse {
				o.ServeHTTP(w, r)
				return
			}
			if asked++; asked > 1 {
				o.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"errorCode":"invalid_dpop_proof","errorSummary":"The DPoP proof has expired."}`)
		})).HTTP
		s := source.NewClient(cfg).Logs()
		first, err := s.Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		refuse = true
		page, err := s.Fetch(t.Context(), first.Next)
		if err == nil || !strings.Contains(err.Error(), "invalid_dpop_proof") || asked != 1 {
			t.Errorf("%d events and %v after %d requests, warnings %q", len(page.Records), err, asked, page.Warnings)
		}
	})
}

// Limits that no org has are taken for none.
func TestAbsurdLimits(t *testing.T) {
	for name, header := range map[string][3]string{
		"a reset in 100 years": {"120", "0", "4102444800"},
		"a reset before time":  {"120", "0", "-1"},
		"a huge reset":         {"120", "0", "9223372036854775807"},
		"not numbers":          {"many", "few", "soon"},
		"a limit of zero":      {"0", "0", "0"},
		"a limit of one":       {"1", "0", "1"},
		"negative":             {"-5", "-5", "-5"},
		"huge":                 {"2147483647", "2147483647", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				o.OmitRateLimit = true
				want := fill(o, 250)
				throttles := 0
				cfg := config(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Rate-Limit-Limit", header[0])
					w.Header().Set("X-Rate-Limit-Remaining", header[1])
					w.Header().Set("X-Rate-Limit-Reset", header[2])
					w.Header().Set("Retry-After", "99999999999999999999")
					if throttles++; throttles%2 == 0 {
						w.WriteHeader(http.StatusTooManyRequests)
						return
					}
					o.ServeHTTP(w, r)
				}))
				cfg.PageSize = 100
				begun := time.Now()
				ids, _ := walk(t, source.NewClient(cfg).Logs(), "")
				if len(ids) != len(want) || time.Since(begun) > 20*time.Minute {
					t.Errorf("%d of %d events came within %v", len(ids), len(want), time.Since(begun))
				}
				var passing *pipeline.Retryable
				throttles = 1
				_, err := source.NewClient(cfg).Logs().Fetch(t.Context(), "")
				if !errors.As(err, &passing) || passing.After <= 0 || passing.After > 3*time.Minute {
					t.Errorf("%v, after %v", err, passing)
				}
			})
		})
	}
}
