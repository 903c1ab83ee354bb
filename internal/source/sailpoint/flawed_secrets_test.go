package sailpoint_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// What is kept of an invocation that can't become a row holds no secret: in odd bytes none can be masked.
func TestFlawedInvocationsKeepNoSecrets(t *testing.T) {
	const secret = "canary-callback-secret"
	for name, odd := range map[string]string{
		"a control character": `{"id":"odd","startInvocationInput":{"input":{"_metadata":{"secret":"` + secret + "\"},\"name\":\"a\x01b\"}}}",
		"an array":            `["` + secret + `"]`,
		"a text":              `"` + secret + `"`,
		"it breaks off":       `{"id":"odd","startInvocationInput":{"input":{"_metadata":{"secret":"` + secret + `"},"name":"` + strings.Repeat("x", 10),
		"more than fits":      `{"id":"odd","startInvocationInput":{"input":{"_metadata":{"secret":"` + secret + `"},"name":"` + strings.Repeat("x", 40<<20) + `"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := []string{`{"id":"a"}`, odd, `{"id":"b"}`}
				s := &script{answer: func(_ int, r request, _ http.Header) reply {
					query, _ := url.ParseQuery(r.Query)
					from, _ := strconv.Atoi(query.Get("offset"))
					from = min(from, len(list))
					to := min(from+limitOf(r), len(list))
					return reply{body: "[" + strings.Join(list[from:to], ",") + "]", header: map[string]string{"X-Total-Count": strconv.Itoa(len(list))}}
				}}
				seen, flawed := readPast(t, client(t, s).Triggers())
				if len(seen) != len(list) || flawed == 0 {
					t.Errorf("%d records, %d with a flaw", len(seen), flawed)
				}
				for id, r := range seen {
					if bytes.Contains(r.Raw, []byte(secret)) || strings.Contains(r.Flaw+id, secret) {
						t.Errorf("%q keeps a secret: %.200q, %s", id, r.Raw, r.Flaw)
					}
				}
			})
		})
	}
}
