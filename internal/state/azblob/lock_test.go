package azblob_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
)

// leases stands for the service's leases, in the time of a bubble.
type leases struct {
	mu sync.Mutex
	// fault, if set, decides about a request by its action before the service sees it.
	fault    func(action string) (status int, code string, err error)
	holder   string
	expires  time.Time
	renewals []time.Time
}

func (l *leases) Do(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	action := header(req, "x-ms-lease-action")
	if l.fault != nil {
		if status, code, err := l.fault(action); err != nil {
			return nil, err
		} else if status != 0 {
			return answer(req, status, code), nil
		}
	}
	mine := l.holder == header(req, "x-ms-lease-id") && l.holder != ""
	switch action {
	case "acquire":
		proposed := header(req, "x-ms-proposed-lease-id")
		if l.holder != "" && l.holder != proposed && time.Now().Before(l.expires) {
			return answer(req, 409, "LeaseAlreadyPresent"), nil
		}
		l.holder, l.expires = proposed, time.Now().Add(30*time.Second)
		return answer(req, 201, ""), nil
	case "renew":
		l.renewals = append(l.renewals, time.Now())
		if !mine {
			return answer(req, 409, "LeaseIdMismatchWithLeaseOperation"), nil
		}
		l.expires = time.Now().Add(30 * time.Second)
	case "release":
		if !mine {
			return answer(req, 409, "LeaseIdMismatchWithLeaseOperation"), nil
		}
		l.holder = ""
	}
	return answer(req, 200, ""), nil
}

// header reads what the SDK sets, in its own spelling.
func header(req *http.Request, name string) string {
	if v := req.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func answer(req *http.Request, status int, code string) *http.Response {
	header := http.Header{"Etag": {`"1"`}, "Last-Modified": {"Mon, 02 Jan 2006 15:04:05 GMT"}}
	if code != "" {
		header.Set("X-Ms-Error-Code", code)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header, Body: http.NoBody, Request: req}
}

func leaseStore(t *testing.T, l *leases) *azblob.Store {
	t.Helper()
	cfg := azblob.Config{Container: "box", AccountName: "acme", AccountKey: secret.New("a2V5")}
	cfg.ClientOptions.Transport = l
	return open(t, cfg)
}

func mustLock(t *testing.T, store state.Store) (context.Context, func(context.Context) error) {
	t.Helper()
	held, release, err := store.Lock(t.Context(), "t/locks/events")
	if err != nil {
		t.Fatal(err)
	}
	return held, release
}

func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(leases)
		store, begin := leaseStore(t, l), time.Now()
		held, release := mustLock(t, store)
		<-time.After(5*time.Minute + time.Second) // not at the moment of a renewal
		if held.Err() != nil {
			t.Fatalf("lock ended: %v", context.Cause(held))
		}
		if _, _, err := store.Lock(t.Context(), "t/locks/events"); !errors.Is(err, state.ErrLocked) {
			t.Errorf("second Lock: %v, want ErrLocked", err)
		}
		for i, at := range l.renewals {
			if want := time.Duration(i+1) * 10 * time.Second; at.Sub(begin) != want {
				t.Errorf("renewal %d after %v, want %v", i, at.Sub(begin), want)
			}
		}
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
		n := len(l.renewals)
		<-time.After(time.Minute)
		if len(l.renewals) != n {
			t.Error("the lease is renewed after its release")
		}
		if l.holder != "" {
			t.Error("the service was not told of the release")
		}
	})
}

func TestLeaseSurvivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, begin := new(leases), time.Now()
		l.fault = func(string) (int, string, error) {
			if since := time.Since(begin); since > 5*time.Second && since < 26500*time.Millisecond {
				return 0, "", errBroke
			}
			return 0, "", nil
		}
		held, release := mustLock(t, leaseStore(t, l))
		<-time.After(time.Minute)
		if held.Err() != nil {
			t.Errorf("lock ended: %v", context.Cause(held))
		}
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLeaseRunsOut(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func() (int, string, error)
	}{
		{"connection", func() (int, string, error) { return 0, "", errBroke }},
		{"server error", func() (int, string, error) { return 500, "InternalError", nil }},
		{"refused", func() (int, string, error) { return 403, "AuthenticationFailed", nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(leases)
				l.fault = func(action string) (int, string, error) {
					if action == "acquire" {
						return 0, "", nil
					}
					return test.fault()
				}
				begin := time.Now()
				held, release := mustLock(t, leaseStore(t, l))
				<-held.Done()
				if lost := time.Since(begin); lost < 20*time.Second || lost >= 30*time.Second {
					t.Errorf("lost after %v, want it before the service lets another in, and not much before", lost)
				}
				if !errors.Is(context.Cause(held), state.ErrLockLost) {
					t.Errorf("cause is %v, want ErrLockLost", context.Cause(held))
				}
				begin = time.Now()
				if err := release(t.Context()); err == nil || strings.Contains(err.Error(), "\n") {
					t.Errorf("release: %v, want a short error", err)
				}
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("release took %v", took)
				}
			})
		})
	}
}

// TestLeaseHangs: a service that does not answer at all is no reason to believe in the lease.
func TestLeaseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, begin := new(leases), time.Now()
		cfg := azblob.Config{Container: "box", AccountName: "acme", AccountKey: secret.New("a2V5")}
		cfg.ClientOptions.Transport = transport(func(req *http.Request) (*http.Response, error) {
			if header(req, "x-ms-lease-action") == "renew" {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return l.Do(req)
		})
		held, release := mustLock(t, open(t, cfg))
		<-held.Done()
		if lost := time.Since(begin); lost < 20*time.Second || lost >= 30*time.Second {
			t.Errorf("lost after %v", lost)
		}
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReleaseWhileRenewing: a release does not wait for a renewal that hangs.
func TestReleaseWhileRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, renewing := new(leases), make(chan struct{}, 1)
		cfg := azblob.Config{Container: "box", AccountName: "acme", AccountKey: secret.New("a2V5")}
		cfg.ClientOptions.Transport = transport(func(req *http.Request) (*http.Response, error) {
			if header(req, "x-ms-lease-action") == "renew" {
				renewing <- struct{}{}
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return l.Do(req)
		})
		_, release := mustLock(t, open(t, cfg))
		<-renewing
		begin := time.Now()
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("release took %v", took)
		}
	})
}

// TestAcquireIsRepeated: the answer to the first try is lost, the second is no conflict.
func TestAcquireIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lost := new(leases), false
		cfg := azblob.Config{Container: "box", AccountName: "acme", AccountKey: secret.New("a2V5")}
		cfg.ClientOptions.Transport = transport(func(req *http.Request) (*http.Response, error) {
			resp, err := l.Do(req)
			if !lost {
				lost = true
				return nil, errBroke
			}
			return resp, err
		})
		_, release := mustLock(t, open(t, cfg))
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A lease that somebody else has taken is lost with the next renewal, and not only once it would have
// run out.
func TestLeaseIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(leases)
		held, release := mustLock(t, leaseStore(t, l))
		<-time.After(time.Second)
		l.mu.Lock()
		l.holder, l.expires = "somebody-else", time.Now().Add(30*time.Second)
		l.mu.Unlock()
		begin := time.Now()
		<-held.Done()
		if took := time.Since(begin); took > 10*time.Second || !errors.Is(context.Cause(held), state.ErrLockLost) {
			t.Errorf("lost after %v: %v", took, context.Cause(held))
		}
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
		if l.holder != "somebody-else" {
			t.Error("the lease of somebody else was released")
		}
	})
}

// A run that has ended still commits, for longer than a lease lasts: until the release the lease is
// renewed.
func TestLeaseOutlivesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(leases)
		store := leaseStore(t, l)
		run, end := context.WithCancel(t.Context())
		_, release, err := store.Lock(run, "t/locks/events")
		if err != nil {
			t.Fatal(err)
		}
		end()
		<-time.After(35 * time.Second)
		if _, _, err := store.Lock(t.Context(), "t/locks/events"); !errors.Is(err, state.ErrLocked) {
			t.Errorf("Lock before the release: %v, want ErrLocked", err)
		}
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
