package transport_test

import (
	"cmp"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// dated answers behind a while, with the Date of a clock that is off.
type dated struct {
	off   time.Duration
	takes time.Duration
	age   time.Duration
	none  bool
	form  string // of the Date, if not that of HTTP
}

// RoundTrip implements [http.RoundTripper].
func (d *dated) RoundTrip(req *http.Request) (*http.Response, error) {
	<-time.After(d.takes / 2)
	h := http.Header{}
	if !d.none {
		h.Set("Date", time.Now().Add(d.off-d.age).UTC().Format(cmp.Or(d.form, http.TimeFormat)))
	}
	if d.age > 0 {
		h.Set("Age", strconv.Itoa(int(d.age/time.Second)))
	}
	<-time.After(d.takes / 2)
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: http.NoBody, Request: req}, nil
}

func TestClock(t *testing.T) {
	for name, test := range map[string]struct {
		of    dated
		want  time.Duration // ahead
		doubt time.Duration
		none  bool
	}{
		"right":                  {of: dated{}, doubt: 500 * time.Millisecond},
		"ten days ahead":         {of: dated{off: -240 * time.Hour}, want: 240 * time.Hour, doubt: 500 * time.Millisecond},
		"ten days behind":        {of: dated{off: 240 * time.Hour}, want: -240 * time.Hour, doubt: 500 * time.Millisecond},
		"an answer takes long":   {of: dated{takes: time.Minute}, doubt: 30500 * time.Millisecond},
		"it is out of a cache":   {of: dated{age: time.Hour}, doubt: 500 * time.Millisecond},
		"the answer has no Date": {of: dated{none: true}, none: true},
		"an offset as zone":      {of: dated{off: 240 * time.Hour, form: time.RFC1123Z}, want: -240 * time.Hour, doubt: 500 * time.Millisecond},
		"UTC as zone":            {of: dated{off: 240 * time.Hour, form: "Mon, 02 Jan 2006 15:04:05 UTC"}, want: -240 * time.Hour, doubt: 500 * time.Millisecond},
		"RFC 3339":               {of: dated{off: 240 * time.Hour, form: time.RFC3339}, want: -240 * time.Hour, doubt: 500 * time.Millisecond},
		"RFC 850":                {of: dated{off: 240 * time.Hour, form: "Monday, 02-Jan-06 15:04:05 GMT"}, want: -240 * time.Hour, doubt: 500 * time.Millisecond},
		"a leap second":          {of: dated{off: time.Minute - time.Second, form: "Mon, 02 Jan 2006 15:04:60 GMT"}, want: -59 * time.Second, doubt: 500 * time.Millisecond},
		"not a time":             {of: dated{form: "yesterday"}, none: true},
		"an unknown zone":        {of: dated{form: "Mon, 02 Jan 2006 15:04:05 XYZ"}, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := new(transport.Clock)
				ask(t, c.Watch(&http.Client{Transport: &test.of}), "http://a/")
				skews := c.Skews()
				if test.none {
					if len(skews) != 0 {
						t.Errorf("%+v", skews)
					}
					return
				}
				if len(skews) != 1 || skews[0].Host != "a" || (skews[0].Ahead-test.want).Abs() > skews[0].Doubt || skews[0].Doubt != test.doubt {
					t.Errorf("%+v, want %v", skews, test.want)
				}
			})
		})
	}
}

func ask(t *testing.T, c *http.Client, url string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// The more precise of two samples stays, but not for long: the clock may be set. A service that
// has not answered for long says nothing.
func TestClockForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(transport.Clock)
		a, b := &dated{}, &dated{}
		clientA, clientB := c.Watch(&http.Client{Transport: a}), c.Watch(&http.Client{Transport: b})
		hosts := func() (hosts []string) {
			for _, s := range c.Skews() {
				hosts = append(hosts, s.Host)
			}
			return hosts
		}
		ahead := func() time.Duration { return c.Skews()[0].Ahead.Round(time.Hour) }
		ask(t, clientA, "http://a/")
		a.off, a.takes = -240*time.Hour, time.Second
		ask(t, clientA, "http://a/")
		if ahead() != 0 {
			t.Errorf("a less precise sample is taken at once: %v", ahead())
		}
		<-time.After(time.Minute)
		ask(t, clientA, "http://a/")
		if ahead() != 240*time.Hour {
			t.Errorf("an old sample stays: %v", ahead())
		}
		<-time.After(6 * time.Minute)
		ask(t, clientB, "http://b/")
		if diff := gocmp.Diff([]string{"a", "b"}, hosts()); diff != "" {
			t.Error(diff)
		}
		<-time.After(6 * time.Minute)
		if diff := gocmp.Diff([]string{"b"}, hosts()); diff != "" {
			t.Error(diff)
		}
	})
	var none *transport.Clock
	if c := none.Watch(http.DefaultClient); c != http.DefaultClient || none.Skews() != nil {
		t.Error("a nil clock watches")
	}
}
