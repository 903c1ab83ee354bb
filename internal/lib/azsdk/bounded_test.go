package azsdk_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
)

type answering string

func (a answering) Do(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a))), Request: req}, nil
}

func TestBounded(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "0123456789": true, "0123456789a": false, strings.Repeat("x", 1<<20): false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := azsdk.Bounded{Transporter: answering(text), Max: 10}.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if (err == nil) != ok || ok && string(got) != text || len(got) > 11 {
			t.Errorf("of %d bytes %d, %v", len(text), len(got), err)
		}
	}
}
