package okta_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
)

// walk fetches until there is no more, and returns the ids and the last cursor. What may pass is
// tried again.
func walk(t *testing.T, s pipeline.Source, after pipeline.Cursor) (ids []string, end pipeline.Cursor) {
	t.Helper()
	for failed := 0; ; {
		page, err := s.Fetch(t.Context(), after)
		var retry *pipeline.Retryable
		if errors.As(err, &retry) && failed < 20 {
			failed++
			<-time.After(max(retry.After, time.Second))
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		after = page.Next
		if !page.More {
			return ids, after
		}
	}
}

func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// An event that is persisted 20 minutes after its time arrives, and without a request by time.
func TestLateEventArrives(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 30)
		g := okta.Generator{Seed: 9, Start: time.Now().Add(-time.Minute)}
		late := g.Event(0)
		late.Persisted = late.Published.Add(20 * time.Minute)
		o.Add(late)
		s := source.NewClient(config(o)).Logs()
		ids, at := walk(t, s, "")
		if len(ids) != 30 {
			t.Fatalf("%d events came, want 30", len(ids))
		}
		<-time.After(21 * time.Minute)
		ids, _ = walk(t, s, at)
		if diff := cmp.Diff([]string{late.UUID}, ids); diff != "" {
			t.Error(diff)
		}
	})
}

// The token goes to the configured host only, whatever host a link names.
func TestForeignLinkStaysAtHome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		o.LinkHost = "evil.example"
		want := fill(o, 250)
		var log strings.Builder
		cfg := config(o)
		cfg.PageSize, cfg.Log = 100, slog.New(slog.NewTextHandler(&log, nil))
		ids, at := walk(t, source.NewClient(cfg).Logs(), "")
		if len(ids) != len(want) || len(o.Violations()) > 0 {
			t.Errorf("%d of %d events came; %v", len(ids), len(want), o.Violations())
		}
		if strings.Count(log.String(), "evil.example") != 1 {
			t.Errorf("the log says %q, want one line that names the host", log.String())
		}
		// Nor does a stored place lead elsewhere.
		if _, err := source.NewClient(cfg).Logs().Fetch(t.Context(), at); err != nil || len(o.Violations()) > 0 {
			t.Error(err, o.Violations())
		}
	})
}

// A link, or a stored place, that leads elsewhere than to the log is not followed, and what it belongs
// to does not count as the end.
func TestOnlyTheLogIsFollowed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 250)
		cfg := config(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o.ServeHTTP(relinked{w}, r)
		}))
		cfg.PageSize = 100
		_, err := source.NewClient(cfg).Logs().Fetch(t.Context(), "")
		if !errors.As(err, new(*pipeline.Retryable)) || !strings.Contains(err.Error(), "next link does not lead to the log") {
			t.Errorf("a link to another resource: %v", err)
		}
		asked := o.Requests()[okta.LogsPath]
		for name, at := range map[string]pipeline.Cursor{
			"another resource": `{"next":"https://acme.okta.com/api/v1/users?after=1","newest":"2026-09-01T00:00:00Z"}`,
			"no query":         `{"next":"https://acme.okta.com/api/v1/logs","newest":"2026-09-01T00:00:00Z"}`,
			"no time":          `{"next":"https://acme.okta.com/api/v1/logs?after=1"}`,
			"another source's": `2026-09-01T00:00:00Z`,
		} {
			if page, err := source.NewClient(config(o)).Logs().Fetch(t.Context(), at); err == nil || !strings.Contains(err.Error(), "not one of the System Log") {
				t.Errorf("%s: %d events, %v", name, len(page.Records), err)
			}
		}
		if n := o.Requests(); len(n) != 1 || n[okta.LogsPath] != asked {
			t.Errorf("requests %v", n)
		}
	})
}

// relinked gives links another path.
type relinked struct{ http.ResponseWriter }

// A place in the future is a failure that says so: begun again there, the log would look quiet.
func TestPlaceAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := source.NewClient(config(newOrg())).Logs()
		for ahead, ok := range map[time.Duration]bool{time.Minute: true, 10 * time.Minute: false} {
			_, err := src.Fetch(t.Context(), src.StartAt(time.Now().Add(ahead)))
			if ok != (err == nil) || !ok && !strings.Contains(err.Error(), "checkpoint set --stream Okta") {
				t.Errorf("%v ahead: %v", ahead, err)
			}
		}
	})
}

func (r relinked) WriteHeader(status int) {
	r.relink()
	r.ResponseWriter.WriteHeader(status)
}

func (r relinked) Write(b []byte) (int, error) {
	r.relink()
	return r.ResponseWriter.Write(b)
}

func (r relinked) relink() {
	for i, link := range r.Header()["Link"] {
		r.Header()["Link"][i] = strings.ReplaceAll(link, okta.LogsPath, "/api/v1/users")
	}
}

// A place that the org refuses is replaced by one an hour before the newest event.
func TestRefusedPlaceBeginsAgain(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusNotFound} {
		inBubble(t, func(t *testing.T) {
			o := newOrg()
			want := fill(o, 250)
			cfg := config(o)
			cfg.PageSize = 100
			s := source.NewClient(cfg).Logs()
			seen := map[string]bool{}
			page, err := s.Fetch(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				seen[r.ID] = true
			}
			o.RefuseCursors = status
			again, err := s.Fetch(t.Context(), page.Next)
			if err != nil || len(again.Warnings) != 1 || !strings.Contains(again.Warnings[0], "no longer accepted") {
				t.Fatalf("%v, warnings %q", err, again.Warnings)
			}
			o.RefuseCursors = 0
			for _, r := range again.Records {
				seen[r.ID] = true
			}
			rest, _ := walk(t, s, again.Next)
			for _, id := range rest {
				seen[id] = true
			}
			if len(seen) != len(want) {
				t.Errorf("%d of %d events came", len(seen), len(want))
			}
			// An org that refuses every place is not asked for ever.
			o.RefuseCursors = status
			after := page.Next
			for range 10 {
				if page, err = s.Fetch(t.Context(), after); err != nil {
					break
				}
				after = page.Next
			}
			if err == nil || errors.As(err, new(*pipeline.Retryable)) {
				t.Errorf("got %v, want an error that is not to be retried", err)
			}
		})
	}
}

// An org that refuses a place now and then, and takes those between, is never too much trouble.
func TestRefusedPlacesAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 250)
		cfg := config(o)
		cfg.PageSize = 100
		s := source.NewClient(cfg).Logs()
		page, err := s.Fetch(t.Context(), "")
		for i := 0; err == nil && i < 10; i++ {
			o.RefuseCursors = []int{http.StatusBadRequest, 0}[i%2]
			<-time.After(time.Minute)
			page, err = s.Fetch(t.Context(), page.Next)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// A place that is refused after a pause of half a year and more is replaced by the oldest that the org
// serves: one further back would be refused, too, and the stream would stop for ever.
func TestRefusedPlaceOfLongAgo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 10)
		s := source.NewClient(config(o)).Logs()
		_, at := walk(t, s, "")
		<-time.After(200 * 24 * time.Hour)
		next := okta.Generator{Seed: 10, Start: time.Now().Add(-time.Hour)}.Event(0)
		o.Add(next)
		o.RefuseCursors = http.StatusBadRequest
		page, err := s.Fetch(t.Context(), at)
		if err != nil || len(page.Records) != 1 || page.Records[0].ID != next.UUID {
			t.Errorf("%d events came, %v; want the next one", len(page.Records), err)
		}
	})
}

// A window has what happened at its begin and nothing of its end, whatever the org takes since and until
// to include.
func TestWindowHasItsBegin(t *testing.T) {
	for _, sinceExclusive := range []bool{false, true} {
		for _, untilInclusive := range []bool{false, true} {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				o.SinceExclusive, o.UntilInclusive = sinceExclusive, untilInclusive
				from := time.Now().Add(-time.Hour).Truncate(5 * time.Minute)
				g := okta.Generator{Seed: 3, Start: from, Every: 5 * time.Minute}
				for i := range 2 {
					o.Add(g.Event(i))
				}
				page, err := source.NewClient(config(o)).Logs().FetchWindow(t.Context(), from, from.Add(5*time.Minute), "")
				if err != nil || len(page.Records) != 1 || page.Records[0].ID != g.UUID(0) {
					t.Errorf("since exclusive: %v, until inclusive: %v: %d events, %v; want the first", sinceExclusive, untilInclusive, len(page.Records), err)
				}
			})
		}
	}
}

// A page with more to come covers no more than it holds.
func TestPageCoversWhatItHolds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 250)
		cfg := config(o)
		cfg.PageSize = 100
		page, err := source.NewClient(cfg).Logs().Fetch(t.Context(), "")
		if err != nil || !page.More {
			t.Fatalf("%+v, %v", page, err)
		}
		newest := time.Time{}
		for _, r := range page.Records {
			if r.Time.After(newest) {
				newest = r.Time
			}
		}
		if page.Through.After(newest) {
			t.Errorf("it covers up to %v, and its newest event is of %v", page.Through, newest)
		}
	})
}

// An event dated in the future does not take the place there: the stream would begin again after it,
// and pass over all until then.
func TestEventOfTheFuture(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 10)
		ahead := okta.Generator{Seed: 9, Start: time.Now().Add(400 * 24 * time.Hour)}.Event(0)
		ahead.Persisted = time.Now().Add(-time.Minute)
		o.Add(ahead)
		s := source.NewClient(config(o)).Logs()
		ids, at := walk(t, s, "")
		if len(ids) != 11 {
			t.Fatalf("%d events came, want 11", len(ids))
		}
		<-time.After(time.Minute)
		next := okta.Generator{Seed: 10, Start: time.Now()}.Event(0)
		o.Add(next)
		<-time.After(time.Minute)
		o.RefuseCursors = http.StatusBadRequest
		page, err := s.Fetch(t.Context(), at)
		if err != nil || !slices.ContainsFunc(page.Records, func(r pipeline.Record) bool { return r.ID == next.UUID }) {
			t.Errorf("%d events came, %v; want the next one among them", len(page.Records), err)
		}
	})
}

// An outage while the stream begins again is no refusal of a place, and an org that has refused several
// is asked again by the next run: the stored place is one that it will never accept.
func TestBeginningAgainIsTriedAgain(t *testing.T) {
	begin := func(t *testing.T) (o *okta.Org, fetch func() error) {
		t.Helper()
		o = newOrg()
		fill(o, 250)
		cfg := config(o)
		cfg.PageSize = 100
		s := source.NewClient(cfg).Logs()
		page, err := s.Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		o.RefuseCursors = http.StatusBadRequest
		return o, func() error {
			<-time.After(time.Minute)
			_, err := s.Fetch(t.Context(), page.Next)
			return err
		}
	}
	t.Run("outage", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			o, fetch := begin(t)
			o.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unavailable, Nth: []int{2, 4, 6, 8, 10}}}} // each second request begins again
			for range 5 {
				if err := fetch(); !errors.As(err, new(*pipeline.Retryable)) {
					t.Errorf("during the outage: %v", err)
				}
			}
			if err := fetch(); err != nil {
				t.Errorf("after the outage: %v", err)
			}
		})
	})
	t.Run("later run", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			_, fetch := begin(t)
			var err error
			for tries := 0; err == nil && tries < 10; tries++ {
				err = fetch()
			}
			if err == nil || errors.As(err, new(*pipeline.Retryable)) {
				t.Errorf("got %v, want an error that ends the run", err)
			}
			if err := fetch(); err != nil {
				t.Errorf("the next run: %v", err)
			}
		})
	})
}

// Half of the limit is left to others, and no request is refused.
func TestHalfOfTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		limit, others, most int
		skew                time.Duration
	}{
		"workforce":      {limit: 120, most: 60},
		"free":           {limit: 20, most: 10},
		"shared":         {limit: 120, others: 80, most: 20},
		"clock is ahead": {limit: 120, most: 60, skew: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				o.RateLimit, o.Others = test.limit, test.others
				o.Now = func() time.Time { return time.Now().Add(test.skew) }
				g := okta.Generator{Seed: 2, Start: time.Now().Add(-2 * time.Hour), Every: 100 * time.Millisecond}
				const n = 10_000
				var all []okta.Event
				for i := range n {
					all = append(all, okta.Event{UUID: g.UUID(i), Published: g.Published(i), Raw: fmt.Appendf(nil, `{"uuid":%q,"published":%q}`, g.UUID(i), g.Published(i).Format("2006-01-02T15:04:05.000Z"))})
				}
				o.Add(all...)
				cfg := config(o)
				cfg.PageSize = 100
				ids, _ := walk(t, source.NewClient(cfg).Logs(), "")
				if peak, limited := o.Peak(); len(ids) != n || peak > test.most || limited > 0 {
					t.Errorf("%d events came of %d; %d requests in a minute, want %d at most; %d were refused", len(ids), n, peak, test.most, limited)
				}
			})
		})
	}
}

// A refusal for the rate is waited out until the limit begins anew, by the org's clock.
func TestThrottledUntilReset(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*okta.Org)
		least  time.Duration
		most   time.Duration
	}{
		"by the org's clock": {func(o *okta.Org) { o.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) } }, 59 * time.Second, 62 * time.Second},
		"without headers":    {func(o *okta.Org) { o.OmitRateLimit = true }, time.Second, time.Minute},
		"without a date":     {func(o *okta.Org) { o.OmitDate = true }, 59 * time.Second, 62 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				fill(o, 10)
				test.change(o)
				o.Others = 120
				<-time.After(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
				_, err := source.NewClient(config(o)).Logs().Fetch(t.Context(), "")
				var retry *pipeline.Retryable
				if !errors.As(err, &retry) || retry.After < test.least || retry.After > test.most {
					t.Errorf("got %v, want an error to be retried after %v to %v", err, test.least, test.most)
				}
			})
		})
	}
}

// A request that takes the org too long is repeated for a smaller page.
func TestSlowQueryGetsSmallerPages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		o.SlowAbove = 300
		want := fill(o, 900)
		ids, _ := walk(t, source.NewClient(config(o)).Logs(), "")
		if len(ids) != len(want) {
			t.Errorf("%d events came of %d", len(ids), len(want))
		}
	})
}

// An org in which something always happens is not asked without a pause: a page that has come to the
// present and is not full ends the run.
func TestPresentIsTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		g := okta.Generator{Seed: 3, Start: time.Now().Add(-time.Minute), Every: 200 * time.Millisecond}
		for i := range 5000 {
			o.Add(g.Event(i))
		}
		walk(t, source.NewClient(config(o)).Logs(), "")
		if n := o.Requests()[okta.LogsPath]; n > 2 {
			t.Errorf("%d requests to come to the present of a busy org", n)
		}
	})
}

// An org that serves fewer events than it is asked for has more, also where they are of this minute.
func TestCapAtPresent(t *testing.T) {
	for _, most := range []int{1, 7, 250} {
		inBubble(t, func(t *testing.T) {
			o := newOrg()
			o.ServeAtMost = most
			g := okta.Generator{Seed: 3, Start: time.Now().Add(-time.Minute), Every: 50 * time.Millisecond}
			const n = 1000 // until ten seconds ago
			for i := range n {
				o.Add(g.Event(i))
			}
			if ids, _ := walk(t, source.NewClient(config(o)).Logs(), ""); len(ids) != n {
				t.Errorf("%d events at a time: %d came of %d", most, len(ids), n)
			}
		})
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*okta.Org)
		want   []string
	}{
		"token":    {func(o *okta.Org) { o.APIToken = "another" }, []string{"OKTA_API_TOKEN", "status 401", "E0000011"}},
		"role":     {func(o *okta.Org) { o.NoRole = true }, []string{"OKTA_API_TOKEN", "403", "Read-only Administrator"}},
		"html":     {func(o *okta.Org) { o.Page = []byte("<html><title>Sign In</title></html>") }, []string{"web page", "Sign In", "OKTA_ORG_URL"}},
		"no links": {func(o *okta.Org) { o.NoLinks = true }, []string{"Link", "removes the header"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				fill(o, 10)
				test.change(o)
				_, err := source.NewClient(config(o)).Logs().Fetch(t.Context(), "")
				if err == nil {
					t.Fatal("no error")
				}
				for _, w := range test.want {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("the error lacks %q: %v", w, err)
					}
				}
				if strings.Contains(err.Error(), apiToken) {
					t.Errorf("the error shows the token: %v", err)
				}
			})
		})
	}
}

// vault keeps a token that a person replaces.
type vault struct{ secret.String }

func (v *vault) Renew(context.Context, secret.String) (secret.String, error) {
	v.String = secret.New(apiToken)
	return v.String, nil
}

// A token that was replaced where it is kept is read again, and the place stays.
func TestChangedTokenKeepsThePlace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		want := fill(o, 250)
		cfg := config(o)
		cfg.PageSize = 100
		s := source.NewClient(cfg).Logs()
		page, err := s.Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		o.APIToken = "canary-okta-token-2"
		// With the old one it fails; with another process that has the new one it goes on.
		if _, err := s.Fetch(t.Context(), page.Next); err == nil {
			t.Error("a revoked token works")
		}
		cfg.Token = secret.New(o.APIToken)
		ids, _ := walk(t, source.NewClient(cfg).Logs(), page.Next)
		if len(ids)+len(page.Records) != len(want) {
			t.Errorf("%d events came, want %d", len(ids)+len(page.Records), len(want))
		}
		// Or the vault has it.
		o.APIToken = apiToken
		cfg.Token = &vault{secret.New("old")}
		if ids, _ := walk(t, source.NewClient(cfg).Logs(), page.Next); len(ids)+len(page.Records) != len(want) {
			t.Errorf("%d events came, want %d", len(ids)+len(page.Records), len(want))
		}
	})
}

// What the first version has stored is read by every later one.
func TestStoredCursor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 30)
		_, at := walk(t, source.NewClient(config(o)).Logs(), "")
		if !strings.HasPrefix(string(at), `{"next":"https://acme.okta.com/api/v1/logs?after=`) || !strings.Contains(string(at), `,"newest":"`) {
			t.Errorf("the cursor is %s", at)
		}
		// A place at a moment, as taking over from another connector stores it.
		ids, _ := walk(t, source.NewClient(config(o)).Logs(), `{"newest":"1999-12-31T22:00:00Z"}`)
		if len(ids) != 30 {
			t.Errorf("%d events came from a place at a moment", len(ids))
		}
	})
}
