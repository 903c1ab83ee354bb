package datacollector_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
)

func TestSignature(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString(workspace.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ body, date, want string }{
		"ascii":                      {`[{"id":"1","status":"PASSED"}]`, "Mon, 04 Apr 2016 08:00:00 GMT", "uu/NY4o9tgxRJo749S9zuwtk7PNc1xtw74I+2SIZZm0="},
		"more_bytes_than_characters": {`[{"id":"2","actor":{"name":"Zoë"}}]`, "Wed, 02 Sep 2026 23:59:59 GMT", "8ZxyDXFMX0KQeEYvRS17vPHOthHur6XCG8AqgYwxnc0="},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, datacollector.Signature(key, len(c.body), c.date)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// batch has n records with ids from 1.
func batch(n int) []pipeline.Record {
	var b []pipeline.Record
	for i := 1; i <= n; i++ {
		b = append(b, pipeline.Record{ID: strconv.Itoa(i), Raw: jsontext.Value(fmt.Sprintf(`{"id":"%d"}`, i))})
	}
	return b
}

// trip is a RoundTripper.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is a service that always gives one answer.
func answering(status int, contentType, body string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func TestRequest(t *testing.T) {
	type request struct {
		Method, URL, Body string
		Header            http.Header
	}
	for name, c := range map[string]struct {
		stream    string
		change    func(*datacollector.Config)
		url       string
		timeField string
	}{
		"defaults": {"SailPointIDN_Events", nil, "https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.com", "created"},
		"government": {
			"SailPointIDN_Triggers",
			func(c *datacollector.Config) {
				c.URL = at("https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.us/")
			},
			"https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.us", "created",
		},
		"own_time": {
			"SailPointIDN_Health",
			func(c *datacollector.Config) { c.TimeFields = map[string]string{"SailPointIDN_Health": "ended"} },
			"https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.com", "ended",
		},
		"no_time": {
			"X",
			func(c *datacollector.Config) {
				c.TimeFields = map[string]string{"X": ""}
				c.URL = at("http://127.0.0.1:10000")
			},
			"http://127.0.0.1:10000", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the clock says 2000-01-01
				var got request
				sink := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					got = request{r.Method, r.URL.String(), string(body), r.Header.Clone()}
					// The transport sends it again when a kept connection turns out to be closed.
					again, err := r.GetBody()
					if err != nil {
						t.Fatal(err)
					}
					if second, _ := io.ReadAll(again); string(second) != string(body) {
						t.Errorf("the body is %s when read again", second)
					}
					if r.ContentLength != int64(len(body)) {
						t.Errorf("announced %d bytes, sent %d", r.ContentLength, len(body))
					}
				}), c.change)
				if err := sink.Write(t.Context(), c.stream, batch(2)); err != nil {
					t.Fatal(err)
				}
				want := request{http.MethodPost, c.url + "/api/logs?api-version=2016-04-01", `[{"id":"1"},{"id":"2"}]`, http.Header{
					"Authorization": {"SharedKey " + workspace.DefaultID + ":OGqPuhWS+jiImkNKz4CpVB6qH62jCKtHqSIKlW6kds4="},
					"Content-Type":  {"application/json"},
					"Log-Type":      {c.stream},
					"X-Ms-Date":     {"Sat, 01 Jan 2000 00:00:00 GMT"},
				}}
				if c.timeField != "" {
					want.Header.Set("time-generated-field", c.timeField)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A repetition is a new Write, and its signature must be young.
func TestEachWriteSignsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := open(t, &workspace.Workspace{}, nil)
		for range 3 {
			if err := sink.Write(t.Context(), "T", batch(1)); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Hour)
		}
	})
}

func TestBadTableNames(t *testing.T) {
	sink := open(t, &workspace.Workspace{}, nil)
	for _, stream := range []string{"", "1a", "a-b", "a b", "a\nb", strings.Repeat("a", 101)} {
		err := sink.Write(t.Context(), stream, batch(1))
		if err == nil || !strings.Contains(err.Error(), "letters, digits and _") {
			t.Errorf("%q: got %v", stream, err)
		}
	}
}

func TestKey(t *testing.T) {
	for name, c := range map[string]struct {
		key string
		ok  bool
	}{
		"good": {workspace.DefaultKey, true},
		"line": {" " + workspace.DefaultKey + "\r\n", true},
		"none": {"", false},
		"cut":  {workspace.DefaultKey[:50], false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := datacollector.New(datacollector.Config{WorkspaceID: workspace.DefaultID, Key: secret.New(c.key)})
			if (err == nil) != c.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil && (!strings.Contains(err.Error(), "SHARED_KEY is not base64") || strings.Contains(err.Error(), workspace.DefaultKey[:20])) {
				t.Errorf("names no setting or shows the key: %v", err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for configured, want := range map[int]int{0: 4 << 20, -1: 4 << 20, 1000: 1000, 30_000_000: 29_999_999, 1 << 40: 29_999_999} {
		limits := open(t, nil, func(c *datacollector.Config) { c.BatchBytes = configured }).Limits()
		if limits.BatchBytes != want || limits.RecordBytes != 29_999_998 {
			t.Errorf("BatchBytes %d gives %d, want %d; RecordBytes %d", configured, limits.BatchBytes, want, limits.RecordBytes)
		}
	}
}

// at is an address as settings have it.
func at(text string) *url.URL {
	u, err := address.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}
