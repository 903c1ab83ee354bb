package datacollector_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
)

// wordy is a service that has something to say when it says yes.
type wordy struct {
	workspace.Workspace
	yes   string // the body
	posts int
}

func (w *wordy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.posts++
	rec := httptest.NewRecorder()
	w.Workspace.ServeHTTP(rec, r)
	maps.Copy(rw.Header(), rec.Header())
	rw.Header().Del("Content-Length")
	rw.WriteHeader(rec.Code)
	if rec.Code == http.StatusOK {
		_, _ = io.WriteString(rw, w.yes)
		return
	}
	_, _ = rw.Write(rec.Body.Bytes())
}

// That the service acknowledges without a body is known from the field only. One that
// does otherwise, and refuses a damaged batch in its own words, is believed; it is
// asked once, and the run says so.
func TestServiceThatAcknowledgesInWords(t *testing.T) {
	for name, yes := range map[string]string{
		"text": "OK", "object": `{}`, "list": `[]`, "status": `{"status":"accepted"}`, "message": `{"Message":"stored"}`, "counts": `{"accepted":2,"failed":0,"errors":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			service := &wordy{yes: yes}
			sink := open(t, service, nil)
			for range 5 {
				if err := sink.Write(t.Context(), "T", batch(2)); err != nil {
					t.Fatal(err)
				}
			}
			// Four more posts were refused, and two had the first record again.
			if rows := service.Table("T_CL").Count(); rows != 12 || service.posts != 11 {
				t.Errorf("%d rows after %d posts, want 12 after 11", rows, service.posts)
			}
			notices := sink.Notices("T")
			if len(notices) != 1 || !strings.Contains(notices[0], "count as delivered") || len(sink.Notices("T")) != 0 {
				t.Errorf("notices %q", notices)
			}
		})
	}
}

// Who shares a sink profits from what was found out, and does not hear what others were answered.
func TestSharedSink(t *testing.T) {
	service := &wordy{yes: "OK"}
	sink := open(t, service, nil)
	other := sink.Share()
	for range 2 {
		if err := sink.Write(t.Context(), "T", batch(2)); err != nil {
			t.Fatal(err)
		}
	}
	if n := other.(pipeline.Noticer).Notices("T"); len(n) != 0 {
		t.Errorf("the other one hears %q", n)
	}
	if n := sink.Notices("T"); len(n) != 1 {
		t.Errorf("notices %q", n)
	}
	asked := service.posts
	if err := other.Write(t.Context(), "T", batch(2)); err != nil || service.posts != asked+1 {
		t.Errorf("%v after %d posts, want one", err, service.posts-asked)
	}
	if n := other.(pipeline.Noticer).Notices("T"); len(n) != 1 {
		t.Errorf("notices of the other one %q", n)
	}
}

// Without a body there is nothing to ask. White space is a body: a proxy's, for all that is known.
func TestServiceThatAcknowledgesSilently(t *testing.T) {
	for name, yes := range map[string]string{"nothing": ""} {
		t.Run(name, func(t *testing.T) {
			service := &wordy{yes: yes}
			sink := open(t, service, nil)
			if err := sink.Write(t.Context(), "T", batch(2)); err != nil || service.posts != 1 {
				t.Fatalf("%v after %d posts", err, service.posts)
			}
			// From then on words are somebody else's.
			service.yes = "fine"
			var retry *pipeline.Retryable
			if err := sink.Write(t.Context(), "T", batch(2)); !errors.As(err, &retry) || service.posts != 2 {
				t.Errorf("%v after %d posts, want a retryable error", err, service.posts)
			}
		})
	}
}

// Something that comes to acknowledge in words in the middle of a process is believed
// once the last silent acknowledgement is long ago, so nothing stops for ever.
func TestServiceThatBeginsToSpeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &wordy{}
		sink := open(t, service, nil)
		if err := sink.Write(t.Context(), "T", batch(2)); err != nil {
			t.Fatal(err)
		}
		service.yes = "fine"
		if err := sink.Write(t.Context(), "T", batch(2)); err == nil {
			t.Error("believed at once")
		}
		<-time.After(11 * time.Minute)
		if err := sink.Write(t.Context(), "T", batch(2)); err != nil || len(sink.Notices("T")) != 1 {
			t.Error(err)
		}
	})
}

// A gateway that answers some posts in the place of a service that works: whichever
// they are, what counts as delivered is there.
func TestGatewayThatAnswersSome(t *testing.T) {
	for name, answers := range map[string]func(n int) bool{
		"the first":        func(n int) bool { return n == 1 },
		"the first three":  func(n int) bool { return n <= 3 },
		"one in two":       func(n int) bool { return n%2 == 1 },
		"the other in two": func(n int) bool { return n%2 == 0 },
		"one in three":     func(n int) bool { return n%3 == 1 },
		"two in three":     func(n int) bool { return n%3 != 0 },
		"one in five":      func(n int) bool { return n%5 == 1 },
		"for a while":      func(n int) bool { return n > 4 && n < 9 },
	} {
		for _, body := range []string{"OK", `{"status":"up"}`, "{}", "Zugriff verweigert"} {
			t.Run(name+"/"+body, func(t *testing.T) {
				var ws workspace.Workspace
				posts := 0
				sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if posts++; answers(posts) {
						_, _ = io.Copy(io.Discard, r.Body)
						_, _ = io.WriteString(w, body)
						return
					}
					ws.ServeHTTP(w, r)
				}), nil)
				stored, acknowledged := 0, 0
				for i := range 20 {
					one := []pipeline.Record{{ID: strconv.Itoa(i), Raw: jsontext.Value(fmt.Sprintf(`{"id":"%d"}`, i))}}
					if sink.Write(t.Context(), "T", one) != nil {
						continue
					}
					acknowledged++
					if slices.ContainsFunc(ws.Table("T").Raw(), func(raw []byte) bool { return string(raw) == string(one[0].Raw) }) {
						stored++
					}
				}
				if acknowledged != stored || acknowledged == 0 {
					t.Errorf("%d acknowledged, %d of them stored", acknowledged, stored)
				}
			})
		}
	}
}

// A proxy that is nice to small posts and damaged ones, but not to everything, is seen
// through by the way it answers.
func TestPolicyOfAProxy(t *testing.T) {
	var ws workspace.Workspace
	sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(string(body), "[[") {
			r.Body = io.NopCloser(bytes.NewReader(body))
			ws.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Via", "1.1 filter")
		_, _ = io.WriteString(w, "thank you")
	}), nil)
	var retry *pipeline.Retryable
	if err := sink.Write(t.Context(), "T", batch(2)); !errors.As(err, &retry) || !strings.Contains(err.Error(), "in another way") {
		t.Errorf("got %v, want a retryable error", err)
	}
}

// What was found out about an answer in words holds for a day: asking repeats a record.
func TestBeliefLastsADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &wordy{yes: "OK"}
		sink := open(t, service, nil)
		for _, test := range []struct {
			after time.Duration
			posts int
		}{{0, 7}, {11 * time.Hour, 1}, {11 * time.Hour, 1}, {3 * time.Hour, 7}} {
			<-time.After(test.after)
			service.posts = 0
			if err := sink.Write(t.Context(), "T", batch(2)); err != nil || service.posts != test.posts {
				t.Errorf("%v after %d posts, want %d", err, service.posts, test.posts)
			}
		}
	})
}

// Once a service acknowledges without a body, what was believed before of an answer in words is no
// longer true. When that answer comes again, long after, it is asked about again.
func TestBeliefEndsWithASilentAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &wordy{yes: "OK"}
		sink := open(t, service, nil)
		for _, test := range []struct {
			yes   string
			posts int
		}{{"OK", 7}, {"", 1}, {"OK", 7}} {
			service.yes, service.posts = test.yes, 0
			if err := sink.Write(t.Context(), "T", batch(2)); err != nil || service.posts != test.posts {
				t.Errorf("%q: %v after %d posts, want %d", test.yes, err, service.posts, test.posts)
			}
			<-time.After(11 * time.Minute)
		}
	})
}

// An answer in words that came before the single record was sent to its end settles nothing.
func TestEarlyAnswerSettlesNothing(t *testing.T) {
	var ws workspace.Workspace
	service, posts := &wordy{yes: "OK"}, 0
	sink := open(t, nil, func(cfg *datacollector.Config) {
		cfg.HTTP = &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			posts++
			rec := httptest.NewRecorder()
			service.ServeHTTP(rec, r)
			resp := rec.Result()
			if posts > 5 { // a record of the batch again: answered after a part of it
				ws.ServeHTTP(httptest.NewRecorder(), r)
				r.Body, _ = r.GetBody()
				_, _ = io.ReadFull(r.Body, make([]byte, 3))
			}
			return resp, nil
		})}
	})
	var retry *pipeline.Retryable
	if err := sink.Write(t.Context(), "T", batch(2)); !errors.As(err, &retry) || posts != 6 {
		t.Errorf("%v after %d posts, want a retryable error after 6", err, posts)
	}
}

// What is remembered of answers is bounded: one that quotes the request is another one each time.
func TestVerdictsAreBounded(t *testing.T) {
	service := &wordy{}
	sink := open(t, service, nil)
	write := func(yes string) (posts int) {
		service.yes, service.posts = yes, 0
		if err := sink.Write(t.Context(), "T", batch(1)); err != nil {
			t.Fatal(err)
		}
		return service.posts
	}
	for i := range 100 {
		write("request " + strconv.Itoa(i))
	}
	if n := write("request 0"); n != 1 {
		t.Errorf("%d posts for what is known, want 1", n)
	}
	write("request 100")
	if n := write("request 0"); n == 1 {
		t.Error("more than 100 answers are remembered")
	}
}

// With a clock that is off no key can sign, so the other one is not tried.
func TestClockThatIsOffTriesOneKey(t *testing.T) {
	for name, test := range map[string]struct {
		off   time.Duration
		posts int
	}{"right": {0, 2}, "behind": {-20 * time.Minute, 1}, "ahead": {20 * time.Minute, 1}} {
		t.Run(name, func(t *testing.T) {
			posts := 0
			sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				posts++
				w.Header().Set("Date", time.Now().Add(-test.off).UTC().Format(http.TimeFormat))
				answering(http.StatusForbidden, "application/json", `{"Error":"InvalidAuthorization","Message":"An invalid signature was specified in the Authorization header"}`).ServeHTTP(w, r)
			}), func(cfg *datacollector.Config) {
				cfg.Secondary = secret.New(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 64)))
			})
			if err := sink.Write(t.Context(), "T", batch(1)); err == nil || posts != test.posts {
				t.Errorf("%v after %d posts, want %d", err, posts, test.posts)
			}
		})
	}
}
