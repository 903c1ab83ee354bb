package okta_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	kinds "github.com/idn-sentinel/idn-sentinel/internal/source"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
)

// account is what the old function has left.
type account struct {
	places []kinds.Place
	err    error
}

func (a account) CreatedTime(context.Context) (time.Time, error) { return time.Time{}, nil }
func (a account) Places(context.Context) ([]kinds.Place, error)  { return a.places, a.err }

// stopped is the link at which a function stopped that has read everything so far, in pages of 100 and
// without saying an order.
func stopped(t *testing.T, o *okta.Org) string {
	t.Helper()
	cfg := config(o)
	cfg.PageSize = 100
	_, at := walk(t, source.NewClient(cfg).Logs(), "")
	_, link, _ := strings.Cut(string(at), `"next":"`)
	link, _, _ = strings.Cut(link, `"`)
	return strings.NewReplacer("&sortOrder=ASCENDING", "", "sortOrder=ASCENDING&", "").Replace(link)
}

// The stream begins exactly where the function stopped: what was stored before does not come, and late
// events do.
func TestBeginsWhereTheFunctionStopped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		fill(o, 250)
		link := stopped(t, o)
		places := []kinds.Place{
			{Link: "https://globex.okta.com/api/v1/logs?after=x", Stored: time.Now()},
			{Link: strings.Replace(link, host, strings.ToUpper(host), 1), Stored: time.Now()},
			{Link: "https://" + host + "/api/v1/logs?after=of-an-older-token", Stored: time.Now().Add(-time.Hour)},
		}
		g := okta.Generator{Seed: 9, Start: time.Now().Add(-time.Minute)}
		late := g.Event(0)
		late.Published = time.Now().Add(-3 * time.Hour)
		late.Persisted = time.Now().Add(time.Minute)
		o.Add(late)
		<-time.After(2 * time.Minute)
		stream := source.Connect(config(o)).Streams()[0]
		begin, err := stream.Inherits(t.Context(), account{places: places})
		if err != nil || !strings.Contains(begin.Says, "the old function for Okta stored at "+places[1].Stored.UTC().Format("2006-01-02T")) {
			t.Fatalf("%+v, %v", begin, err)
		}
		page, err := stream.Fetch(t.Context(), begin.Cursor)
		if err != nil || len(page.Records) != 1 || page.Records[0].ID != late.UUID || !page.From.Equal(places[1].Stored) {
			t.Fatalf("%d records from %v, %v", len(page.Records), page.From, err)
		}
		if v := o.Violations(); len(v) > 0 {
			t.Error(v)
		}
	})
}

// A link that the org no longer accepts costs nothing: the stream begins more than a day before it was
// stored.
func TestRefusedLinkOfTheFunction(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := newOrg()
		want := fill(o, 50)
		stream := source.Connect(config(o)).Streams()[0]
		begin, err := stream.Inherits(t.Context(), account{places: []kinds.Place{{Link: "https://" + host + "/api/v1/logs?after=gone", Stored: time.Now()}}})
		if err != nil {
			t.Fatal(err)
		}
		page, err := stream.Fetch(t.Context(), begin.Cursor)
		if err != nil || len(page.Records) != len(want) || len(page.Warnings) != 1 || time.Since(page.From) < 24*time.Hour {
			t.Errorf("%d records from %v, %q, %v", len(page.Records), page.From, page.Warnings, err)
		}
	})
}

func TestWhatTheFunctionLeft(t *testing.T) {
	failure := errors.New("403")
	for name, test := range map[string]struct {
		left account
		want string // of the error; "" for none
	}{
		"nothing":                  {account{}, ""},
		"an account that is shut":  {account{err: failure}, "403"},
		"another org":              {account{places: []kinds.Place{{Link: "https://globex.okta.com/api/v1/logs?after=x"}, {Link: "https://globex.okta.com/api/v1/logs?after=y"}}}, "has places of globex.okta.com, and none of acme.okta.com"},
		"another resource":         {account{places: []kinds.Place{{Link: "https://" + host + "/api/v1/users?after=x"}}}, "does not lead to the System Log"},
		"no query":                 {account{places: []kinds.Place{{Link: "https://" + host + "/api/v1/logs"}}}, "does not lead to the System Log"},
		"no address":               {account{places: []kinds.Place{{Link: "\x7f://"}}}, "LEGACY_CHECKPOINT=off"},
		"a host with line breaks":  {account{places: []kinds.Place{{Link: "https://a\nb/"}}}, "LEGACY_CHECKPOINT=off"},
		"user and password inside": {account{places: []kinds.Place{{Link: "https://user:canary@globex.okta.com/x"}}}, "globex.okta.com"},
	} {
		t.Run(name, func(t *testing.T) {
			begin, err := source.Connect(config(http.NotFoundHandler())).Streams()[0].Inherits(t.Context(), test.left)
			if diff := cmp.Diff(kinds.Beginning{}, begin); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.ContainsAny(err.Error(), "\n\x7f") || strings.Contains(err.Error(), "canary")) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
