package functions_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/state/hooklook"
)

// inspected is an app whose hooks a person looks at.
type inspected struct {
	hooked
	seen []hooklook.Outline
}

func (i *inspected) Look(string) func(hooklook.Outline) {
	return func(o hooklook.Outline) { i.seen = append(i.seen, o) }
}

// An outline says what a request looks like, and holds none of its values. The answer is the same
// as without it, and a refused body is still not read.
func TestInspectedPushes(t *testing.T) {
	for name, c := range map[string]struct {
		auth, kind, body string
		status           int
		scheme, media    string
		read             int64
		shape            string
	}{
		"object": {
			"Bearer canary-token", "application/json; charset=canary", `{"identity":{"name":"canary"},"n":1,"s":"canary","b":true,"l":["canary"],"z":null}`, 200,
			"Bearer", "application/json", 82, "JSON object with identity (object), n (number), s (string), b (boolean), l (array), z (null)",
		},
		"array":        {"Bearer canary-token", "text/csv", `[{"a":"canary"}]`, 200, "Bearer", "text/csv", 16, "JSON array, the first element is object"},
		"text":         {"Bearer canary-token", "canary/canary", `canary`, 200, "Bearer", "other", 6, "not JSON"},
		"string":       {"Bearer canary-token", "", `"canary"`, 200, "Bearer", "", 8, "string"},
		"cut":          {"Bearer canary-token", "", `{"a":1,"b":"canary`, 200, "Bearer", "", 18, "JSON object with a (number), b (string)"},
		"empty":        {"Bearer canary-token", "", ``, 400, "Bearer", "", 0, "not read, or empty"},
		"refused":      {"Basic canary", "", `{"a":"canary"}`, 401, "Basic", "", 0, "not read, or empty"},
		"other_scheme": {"canary", "", `{"a":"canary"}`, 401, "other", "", 0, "not read, or empty"},
		"none":         {"", "", `{"a":"canary"}`, 401, "", "", 0, "not read, or empty"},
	} {
		t.Run(name, func(t *testing.T) {
			app := &inspected{hooked: hooked{most: 1000}}
			h := &functions.Handler{Open: func() (functions.Poller, error) { return app, nil }}
			r := httptest.NewRequest(http.MethodPost, "/api/hooks/sailpoint?code=canary", strings.NewReader(c.body))
			r.Header.Set("X-Key", "canary")
			for name, value := range map[string]string{"Authorization": c.auth, "Content-Type": c.kind} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || len(app.seen) != 1 || c.status == 200 && string(app.got[0]) != c.body {
				t.Fatalf("status %d, %d outlines, got %q", w.Code, len(app.seen), app.got)
			}
			want := hooklook.Outline{
				Method: "POST", Path: "/api/hooks/sailpoint", Status: c.status, Scheme: c.scheme, MediaType: c.media,
				Length: int64(len(c.body)), Read: c.read, Shape: c.shape,
			}
			if diff := cmp.Diff(want, app.seen[0], cmpopts.IgnoreFields(hooklook.Outline{}, "At", "Headers")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text := fmt.Sprintf("%+v", app.seen); strings.Contains(text, "canary") || !strings.Contains(text, "X-Key") {
				t.Errorf("shows a value, or lacks a header: %s", text)
			}
		})
	}
}
