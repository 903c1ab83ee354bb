package tenant_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

const statusPath = "/trigger-invocations/v1/status"

// invoke makes an invocation that was created ago before noon and took a minute.
func invoke(id string, ago time.Duration, trigger string) synth.Invocation {
	return synth.Invocation{
		ID: id, TriggerID: trigger, SubscriptionID: "sub-" + trigger, SubscriptionName: "name of " + id, Input: jsontext.Value(`{}`),
		Created: noon().Add(-ago), Completed: noon().Add(-ago + time.Minute),
	}
}

// status asks for invocations and returns "id" or "id!" (completed) of each.
func status(t testing.TB, h http.Handler, params string) []string {
	t.Helper()
	got := do(t, h, http.MethodGet, statusPath+params, login(t, h, "id"), "")
	var list []struct {
		ID        string     `json:"id"`
		Completed *time.Time `json:"completed"`
		Complete  *struct{}  `json:"completeInvocationInput"`
	}
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil || got.Status != http.StatusOK {
		t.Fatalf("status: %d %s (%v)", got.Status, got.Body, err)
	}
	out := []string{}
	for _, inv := range list {
		if (inv.Completed == nil) != (inv.Complete == nil) {
			t.Errorf("%s: completed %v, completeInvocationInput %v", inv.ID, inv.Completed, inv.Complete)
		}
		if inv.Completed != nil {
			inv.ID += "!"
		}
		out = append(out, inv.ID)
	}
	return out
}

func TestStatus(t *testing.T) {
	h := &tenant.Tenant{Now: fixed(noon())}
	h.AddInvocation(invoke("old", 24*time.Hour, "x"))
	h.AddInvocation(invoke("forgotten", 24*time.Hour+1, "x"))
	failed := invoke("failed", 48*time.Hour, "y")
	failed.Error = "no answer"
	h.AddInvocation(failed)
	failed = invoke("failed_long_ago", 48*time.Hour+1, "y")
	failed.Error = "no answer"
	h.AddInvocation(failed)
	h.AddInvocation(invoke("flying", 30*time.Second, "y"))
	h.AddInvocation(invoke("future", -time.Second, "y"))
	stuck := invoke("stuck", 40*time.Hour, "x")
	stuck.Completed = time.Time{}
	h.AddInvocation(stuck)

	for name, c := range map[string]struct {
		params string
		want   []string
	}{
		"newest_first":    {"?sorters=-created", []string{"flying", "old!", "stuck", "failed!"}},
		"oldest_first":    {"?sorters=created", []string{"failed!", "stuck", "old!", "flying"}},
		"completed":       {"?sorters=completed", []string{"failed!", "old!", "flying", "stuck"}},
		"two_sorters":     {"?sorters=" + url.QueryEscape("-triggerId,created"), []string{"failed!", "flying", "stuck", "old!"}},
		"subscription":    {"?sorters=-subscriptionName", []string{"stuck", "old!", "flying", "failed!"}},
		"page":            {"?sorters=created&offset=1&limit=2", []string{"stuck", "old!"}},
		"beyond":          {"?offset=4", []string{}},
		"limit_0":         {"?limit=0", []string{}},
		"by_trigger":      {"?sorters=created&filters=" + url.QueryEscape(`triggerId eq "x"`), []string{"stuck", "old!"}},
		"by_subscription": {"?sorters=created&filters=" + url.QueryEscape(`subscriptionId eq "sub-y"`), []string{"failed!", "flying"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, status(t, h, c.params)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}

	got := do(t, h, http.MethodGet, statusPath+"?count=true&limit=1", login(t, h, "id"), "")
	if got.Header.Get("X-Total-Count") != "4" {
		t.Errorf("X-Total-Count %q, want 4", got.Header.Get("X-Total-Count"))
	}
	if n := len(h.Invocations()); n != 7 {
		t.Errorf("%d invocations, want 7", n)
	}
}

func TestStatusRefuses(t *testing.T) {
	h := &tenant.Tenant{}
	for name, c := range map[string]struct{ params, text string }{
		"limit":        {"?limit=251", "251"},
		"offset":       {"?offset=x", "offset"},
		"sorter":       {"?sorters=id", "id"},
		"empty_sorter": {"?sorters=-", "name"},
		"filter_field": {"?filters=" + url.QueryEscape(`created eq "x"`), "created"},
		"filter_op":    {"?filters=" + url.QueryEscape(`triggerId co "x"`), "eq"},
		"filter_form":  {"?filters=triggerId", "form"},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(t, h, http.MethodGet, statusPath+c.params, login(t, h, "id"), "")
			wantError(t, got, http.StatusBadRequest, "400.1 Bad request content", c.text)
		})
	}
}

func TestStatusNeedsNoHeader(t *testing.T) {
	h := &tenant.Tenant{}
	for _, path := range []string{statusPath, "/beta/trigger-invocations/status", "/v2024/trigger-invocations/status", "/v2025/trigger-invocations/status", "/v2026/trigger-invocations/status"} {
		for _, header := range []string{"", "true"} {
			got := do(t, h, http.MethodGet, path, login(t, h, "id"), "", "X-SailPoint-Experimental", header)
			if got.Status != http.StatusOK || got.Body != "[]" {
				t.Errorf("%s with header %q: %d %s, want an empty list", path, header, got.Status, got.Body)
			}
		}
	}
}

func TestStatusWasExperimentalInTwoFamilies(t *testing.T) {
	h := &tenant.Tenant{Experimental: true}
	for family, without := range map[string]int{"beta": 200, "v2024": 400, "v2025": 400, "v2026": 200} {
		path := "/" + family + "/trigger-invocations/status"
		if got := do(t, h, http.MethodGet, path, login(t, h, "id"), ""); got.Status != without {
			t.Errorf("%s without the header: %d, want %d", family, got.Status, without)
		}
		got := do(t, h, http.MethodGet, path, login(t, h, "id"), "", "X-SailPoint-Experimental", "true")
		if got.Status != http.StatusOK || got.Body != "[]" {
			t.Errorf("%s with the header: %d %s, want an empty list", family, got.Status, got.Body)
		}
	}
}

func TestStatusShowsTheNewest2000(t *testing.T) {
	h := &tenant.Tenant{Now: fixed(noon())}
	for i := range 2100 {
		h.AddInvocation(invoke(fmt.Sprintf("i%04d", i), time.Duration(i+120)*time.Second, "x"))
	}
	seen := 0
	for offset := 0; ; offset += 250 {
		page := status(t, h, fmt.Sprintf("?sorters=-created&limit=250&offset=%d", offset))
		for i, id := range page {
			if want := fmt.Sprintf("i%04d!", offset+i); id != want {
				t.Fatalf("row %d is %s, want %s", offset+i, id, want)
			}
		}
		seen += len(page)
		if len(page) < 250 {
			break
		}
	}
	if seen != 2000 {
		t.Errorf("%d rows, want 2000", seen)
	}
}

func TestCompleteInvocation(t *testing.T) {
	now := noon()
	h := &tenant.Tenant{Now: func() time.Time { return now }}
	inv := invoke("a", time.Minute, "x")
	inv.Completed = time.Time{}
	h.AddInvocation(inv)
	if diff := cmp.Diff([]string{"a"}, status(t, h, "")); diff != "" {
		t.Errorf("in flight (-want +got):\n%s", diff)
	}
	if !h.CompleteInvocation("a", now, "no answer") || h.CompleteInvocation("b", now, "") {
		t.Error("CompleteInvocation knows the wrong ids")
	}
	if diff := cmp.Diff([]string{"a!"}, status(t, h, "")); diff != "" {
		t.Errorf("completed (-want +got):\n%s", diff)
	}
	now = noon().Add(30 * time.Hour) // a failure is kept longer than a success
	if diff := cmp.Diff([]string{"a!"}, status(t, h, "")); diff != "" {
		t.Errorf("30 h later (-want +got):\n%s", diff)
	}
	now = noon().Add(48 * time.Hour)
	if diff := cmp.Diff([]string{}, status(t, h, "")); diff != "" {
		t.Errorf("48 h later (-want +got):\n%s", diff)
	}
}
