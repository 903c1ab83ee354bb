package tenant_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// Whatever a client asks, it gets a page, or an error that says whose fault it is.
func FuzzSearch(f *testing.F) {
	for _, text := range []string{`created:[now-1d/d TO *} AND (type:A* OR NOT name:"x y")`, `-_exists_:a.b^2 "q`, `created:>=2026-09-01||+1M/d`, `a:(b c) && !d`, `\`, `[`, `x:{a TO`} {
		f.Add(text, `{"bool":{"must_not":[{"range":{"created":{"lt":"now/w"}}}],"should":{"term":{"id":"a"}}}}`, `a*.b`)
	}
	f.Fuzz(func(t *testing.T, text, dsl, field string) {
		h := logins()
		h.RateLimit = tenant.RateLimit{Off: true}
		token := login(t, h, "id")
		bodies := []map[string]any{
			{"query": map[string]any{"query": text}, "queryResultFilter": map[string]any{"includes": []string{field}}},
			{"queryType": "DSL", "queryDsl": json.RawMessage(dsl), "sort": []string{"-created", "id"}},
			{"filters": map[string]any{field: map[string]any{"type": "RANGE", "range": map[string]any{"lower": map[string]any{"value": text}}}}, "sort": []string{"name"}, "searchAfter": []string{field}},
		}
		for _, b := range bodies {
			body, err := json.Marshal(b)
			if err != nil {
				continue // the DSL is no JSON
			}
			got := do(t, h, http.MethodPost, "/search/v1", token, string(body))
			var page []map[string]any
			switch got.Status {
			case http.StatusOK:
				if err := json.Unmarshal([]byte(got.Body), &page); err != nil {
					t.Fatalf("%s: %v in %s", body, err, got.Body)
				}
			case http.StatusBadRequest:
			case http.StatusNotImplemented:
				if len(h.Unknown()) == 0 {
					t.Fatalf("%s: 501, and nothing is unknown", body)
				}
			default:
				t.Fatalf("%s: %d %s", body, got.Status, got.Body)
			}
		}
	})
}
