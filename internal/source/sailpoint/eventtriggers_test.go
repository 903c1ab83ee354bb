package sailpoint_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	src "github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

const (
	hookURL   = "https://app.example/api/hooks/sailpoint/idn:identity-created"
	hookToken = "canary-webhook-token-5c1d0e77"
)

// pushing is a tenant whose client may do everything with triggers.
func pushing() *tenant.Tenant {
	tn := newTenant()
	tn.Scopes = []string{"sp:scopes:all"}
	return tn
}

// ours is the subscription that a test makes.
func ours() src.Subscription {
	return src.Subscription{
		TriggerID: "idn:identity-created", Name: "audit", Description: "d", Delivery: src.OverHTTP, Enabled: true, Filter: "$.identity",
		URL: hookURL, Auth: src.BearerToken, Token: secret.New(hookToken),
	}
}

func TestListsTriggersInPages(t *testing.T) {
	tn := pushing()
	tn.ServeAtMost = 7
	c := sailpoint.Connect(config(tn))
	list, err := c.Triggers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waiting := 0
	for _, one := range list {
		if one.Waits {
			waiting++
		}
		if one.Name == "" || one.Description == "" || one.Example.Kind() != '{' {
			t.Errorf("incomplete: %+v", one)
		}
	}
	if len(list) != 20 || waiting != 2 {
		t.Errorf("%d triggers, %d wait, want 20 and 2", len(list), waiting)
	}
}

func TestAdministersSubscriptions(t *testing.T) {
	tn := pushing()
	// One that a person made: a key in its address, and another of a kind that we don't know.
	tn.Subscribe(tenant.Subscription{TriggerID: "idn:source-created", Name: "theirs", Type: "HTTP", Enabled: true, HTTP: &tenant.HTTPConfig{URL: "https://u:canary@other.example/a?code=canary-key"}})
	c := sailpoint.Connect(config(tn))
	for _, s := range []src.Subscription{
		ours(),
		{TriggerID: "idn:source-deleted", Name: "basic", Delivery: src.OverHTTP, Enabled: true, URL: hookURL, Auth: src.BasicAuth, UserName: "u", Password: secret.New("canary-password")},
		{TriggerID: "idn:source-updated", Name: "aws", Delivery: src.OverEventBridge, Enabled: true, AWSAccount: "123456789012", AWSRegion: "eu-west-1"},
	} {
		if err := c.Subscribe(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
	}
	list := func() map[string]src.Subscription {
		t.Helper()
		all, err := c.Subscriptions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]src.Subscription{}
		for _, s := range all {
			byName[s.Name] = s
		}
		return byName
	}
	got := list()
	want := ours()
	want.Token = secret.String{}
	if diff := cmp.Diff(want, got["audit"], cmpopts.IgnoreFields(src.Subscription{}, "ID", "Token", "Password")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := got["theirs"]; s.URL != "https://other.example/a" || !s.HasQuery || strings.Contains(fmt.Sprintf("%+v", s), "canary") {
		t.Errorf("theirs: %+v", s)
	}
	if s := got["basic"]; s.UserName != "u" || s.Auth != src.BasicAuth {
		t.Errorf("basic: %+v", s)
	}
	if s := got["aws"]; s.AWSAccount != "123456789012" || s.AWSRegion != "eu-west-1" {
		t.Errorf("aws: %+v", s)
	}

	// A change keeps what it does not name, and has the token in it.
	changed := got["audit"]
	changed.Name, changed.Filter, changed.Token = "new", "", secret.New(hookToken+"2")
	if err := c.Update(t.Context(), got["audit"], changed); err != nil {
		t.Fatal(err)
	}
	if s := tn.Subscriptions()[1]; s.Name != "new" || s.Filter != "" || s.Description != "d" || s.HTTP.Token != hookToken+"2" || !s.Enabled {
		t.Errorf("after the update: %+v %+v", s, s.HTTP)
	}
	// Enabling is another call; the rest stays.
	off := list()["new"]
	off.Enabled, off.Token = false, secret.New(hookToken)
	if err := c.Update(t.Context(), list()["new"], off); err != nil {
		t.Fatal(err)
	}
	if s := tn.Subscriptions()[1]; s.Enabled || s.HTTP.Token != hookToken || s.Description != "d" || s.HTTP.URL != hookURL {
		t.Errorf("after disabling: %+v %+v", s, s.HTTP)
	}
	aws := list()["aws"]
	aws.AWSRegion = "us-east-1"
	if err := c.Update(t.Context(), list()["aws"], aws); err != nil || list()["aws"].AWSRegion != "us-east-1" {
		t.Errorf("aws: %v, %+v", err, list()["aws"])
	}
	for range 2 { // the second time there is nothing left, and that is as good
		if err := c.Unsubscribe(t.Context(), aws.ID); err != nil {
			t.Error(err)
		}
	}
	if n := len(list()); n != 3 {
		t.Errorf("%d subscriptions left, want 3", n)
	}
	if err := c.Update(t.Context(), aws, aws); err != nil {
		t.Errorf("a change of nothing: %v", err)
	}
	aws.Name = "gone"
	if err := c.Update(t.Context(), list()["aws"], aws); err == nil {
		t.Error("a subscription without id can be changed")
	}
}

// Tenants that do not have the paths of today serve the older ones.
func TestTriggerPaths(t *testing.T) {
	for _, disabled := range [][]string{nil, {"v1"}, {"v1", "v2025"}} {
		tn := pushing()
		tn.Disabled = disabled
		c := sailpoint.Connect(config(tn))
		list, err := c.Subscriptions(t.Context())
		if err == nil {
			err = c.Subscribe(t.Context(), ours())
		}
		if err == nil {
			list, err = c.Subscriptions(t.Context())
		}
		if err == nil {
			err = c.Unsubscribe(t.Context(), list[0].ID)
		}
		if err != nil || len(tn.Subscriptions()) != 0 {
			t.Errorf("without %v: %v, %d left", disabled, err, len(tn.Subscriptions()))
		}
	}
}

// Each operation names the scope that it lacks.
func TestTriggerScopes(t *testing.T) {
	const status, manage = "sp:trigger-service-invocation-status", "sp:trigger-service-subscriptions"
	for name, c := range map[string]struct {
		do    func(*sailpoint.Connector) error
		scope string
	}{
		"triggers":      {func(c *sailpoint.Connector) error { _, err := c.Triggers(t.Context()); return err }, manage + ":read"},
		"subscriptions": {func(c *sailpoint.Connector) error { _, err := c.Subscriptions(t.Context()); return err }, manage + ":read"},
		"subscribe":     {func(c *sailpoint.Connector) error { return c.Subscribe(t.Context(), ours()) }, manage + ":manage"},
		"update":        {func(c *sailpoint.Connector) error { return c.Update(t.Context(), src.Subscription{ID: "x"}, ours()) }, manage + ":manage"},
		"unsubscribe":   {func(c *sailpoint.Connector) error { return c.Unsubscribe(t.Context(), "x") }, manage + ":manage"},
		"filter": {func(c *sailpoint.Connector) error {
			_, err := c.CheckFilter(t.Context(), "$.a", jsontext.Value(`{}`))
			return err
		}, manage + ":manage"},
		"test": {func(c *sailpoint.Connector) error {
			_, err := c.Test(t.Context(), "idn:identity-created", nil, nil)
			return err
		}, status + ":manage"},
		"invocations": {func(c *sailpoint.Connector) error { _, err := c.Invocations(t.Context(), "", 10); return err }, status + ":read"},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant()
			tn.Scopes = []string{"sp:search:read"}
			err := c.do(sailpoint.Connect(config(tn)))
			if err == nil || !strings.Contains(err.Error(), "needs the scope "+c.scope+",") {
				t.Errorf("got %v, want the scope %s", err, c.scope)
			}
		})
	}
}

// A service that repeats what it got does not make a token appear in an error.
func TestTokensStayOutOfErrors(t *testing.T) {
	for name, body := range map[string]string{
		"json": `{"detailCode":"400.1","trackingId":"` + hookToken + `","messages":[{"locale":"en-US","text":"bad ` + hookToken + `"}]}`,
		"text": "you sent " + hookToken, "page": "<html><title>" + hookToken + "</title>",
	} {
		for _, status := range []int{400, 403, 500, 502} {
			tn := pushing()
			tn.Faults = always("/trigger-subscriptions", fault.Rule{Kind: fault.Foreign, Status: status, Body: body})
			c := sailpoint.Connect(config(tn))
			for _, err := range []error{c.Subscribe(t.Context(), ours()), c.Update(t.Context(), src.Subscription{ID: "x"}, ours())} {
				if err == nil || strings.Contains(err.Error(), "canary") {
					t.Errorf("%s, %d: %v", name, status, err)
				}
				var passing *pipeline.Retryable
				if errors.As(err, &passing) != (status >= 500) {
					t.Errorf("%s, %d: may pass: %v", name, status, err)
				}
			}
		}
	}
}

func TestCheckFilter(t *testing.T) {
	c := sailpoint.Connect(config(pushing()))
	for filter, want := range map[string]string{
		"$.identity":                       "",
		"$.identity[?(@.name == 'x')]":     "",
		"$.identity[?(@.name == 'other')]": "does not match the payload",
		"identity":                         "is not a valid JSONPath",
	} {
		got, err := c.CheckFilter(t.Context(), filter, jsontext.Value(`{"identity":{"name":"x"}}`))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", filter, got, err, want)
		}
	}
	if _, err := sailpoint.Connect(config(says(reply{body: `{}`}))).CheckFilter(t.Context(), "$", jsontext.Value(`{}`)); retryable(err) == nil {
		t.Errorf("an answer without a verdict: %v", err)
	}
}

func TestTestInvocation(t *testing.T) {
	tn := pushing()
	tn.HoldTests = true
	c := sailpoint.Connect(config(tn))
	if ids, err := c.Test(t.Context(), "idn:identity-created", nil, nil); err != nil || len(ids) != 0 {
		t.Errorf("without a subscriber: %v, %v", ids, err)
	}
	if err := c.Subscribe(t.Context(), ours()); err != nil {
		t.Fatal(err)
	}
	list, err := c.Subscriptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	ids, err := c.Test(t.Context(), "idn:identity-created", []string{list[0].ID}, nil)
	if err != nil || len(ids) != 1 {
		t.Fatalf("%v, %v", ids, err)
	}
	if ids, err := c.Test(t.Context(), "idn:identity-created", nil, jsontext.Value(`{"identity":{},"attributes":{}}`)); err != nil || len(ids) != 1 {
		t.Errorf("with a payload: %v, %v", ids, err)
	}
	invs, err := c.Invocations(t.Context(), "idn:identity-created", 10)
	if err != nil || len(invs) != 2 || !invs[0].Test || invs[0].SubscriptionName != "audit" || !invs[0].Completed.IsZero() {
		t.Fatalf("%+v, %v", invs, err)
	}
	first := invs[1]
	want := []src.Trace{
		{Stream: "SailPointIDN_TriggersPushed", Record: ids[0] + "|", Time: begin, Pushed: true},
		{Stream: "SailPointIDN_Triggers", Record: ids[0] + "|", Time: first.Created},
		{Stream: "SailPointIDN_Triggers", Record: ids[0] + "|2026-09-01T10:00:00.000Z", Time: time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)},
	}
	first.ID, first.CompletedText, first.Completed = ids[0], "2026-09-01T10:00:00.000Z", want[2].Time
	if diff := cmp.Diff(want, c.Traces(first, begin)); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
}

func TestInvocations(t *testing.T) {
	tn := pushing()
	invocations(tn, time.Now().Add(-time.Hour), 300)
	c := sailpoint.Connect(config(tn))
	for most, want := range map[int]int{10: 10, 250: 250, 280: 280, 0: 300} {
		list, err := c.Invocations(t.Context(), "", most)
		if err != nil || len(list) != want {
			t.Errorf("at most %d: %d, %v", most, len(list), err)
		}
		failed := 0
		for i, inv := range list {
			if inv.Failure != "" {
				failed++
			}
			if i > 0 && inv.Created.After(list[i-1].Created) || inv.ID == "" || inv.Completed.IsZero() {
				t.Errorf("%d: %+v", i, inv)
			}
		}
		if most == 0 && failed == 0 {
			t.Error("none failed")
		}
	}
	// A service that lists the same page for ever does not keep us.
	s := says(reply{body: `[{"id":"a"}]`})
	if _, err := sailpoint.Connect(config(s)).Invocations(t.Context(), "", 0); err == nil || !strings.Contains(err.Error(), "does not end") {
		t.Errorf("an endless list: %v", err)
	}
}
