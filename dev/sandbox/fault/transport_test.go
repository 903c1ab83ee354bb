package fault_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
)

func TestTransportShowsAServersView(t *testing.T) {
	type seen struct{ Method, URI, Host, Header, Body string }
	var got seen
	client := &http.Client{Transport: fault.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = seen{r.Method, r.RequestURI, r.Host, r.Header.Get("X-Test"), string(body)}
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("X-Late", "not sent")
	}))}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://tenant.example/search/v1?limit=2", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test", "1")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if diff := cmp.Diff(seen{"POST", "/search/v1?limit=2", "tenant.example", "1", "{}"}, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if res.StatusCode != http.StatusCreated || res.Header.Get("X-Answer") != "yes" || res.Header.Get("X-Late") != "" {
		t.Errorf("answer %s %v, want 201 with X-Answer alone", res.Status, res.Header)
	}
	if _, err := http.ParseTime(res.Header.Get("Date")); err != nil {
		t.Errorf("date: %v", err)
	}
}

func TestTransportAbort(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		body    string
		err     error
	}{
		"nothing_written": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", io.ErrUnexpectedEOF},
		"begun": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "abc")
			panic(http.ErrAbortHandler)
		}, "abc", io.ErrUnexpectedEOF},
		"shorter_than_announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "abc")
		}, "abc", io.ErrUnexpectedEOF},
		"as_long_as_announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			_, _ = io.WriteString(w, "abc")
		}, "abc", nil},
		"no_content": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://stand-in/", nil)
			if err != nil {
				t.Fatal(err)
			}
			var body []byte
			res, err := fault.Transport(c.handler).RoundTrip(req)
			if err == nil {
				defer res.Body.Close()
				body, err = io.ReadAll(res.Body)
			} else if e := net.Error(nil); !errors.As(err, &e) {
				t.Errorf("%v (%T) is no network error", err, err)
			}
			if string(body) != c.body || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v; want %q, %v", body, err, c.body, c.err)
			}
		})
	}
}

func TestTransportEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: fault.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "abc")
	}))}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stand-in/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	cancel()
	if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("reading the body: %v, want %v", err, context.Canceled)
	}
	res, err = client.Do(req)
	if err == nil {
		res.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("asking again: %v, want %v", err, context.Canceled)
	}
}

func TestTransportLetsOtherPanicsThrough(t *testing.T) {
	defer func() {
		if p := recover(); p != "boom" {
			t.Errorf("recovered %v, want boom", p)
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://stand-in/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := fault.Transport(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })).RoundTrip(req)
	if err == nil {
		res.Body.Close()
	}
	t.Error("no panic")
}
