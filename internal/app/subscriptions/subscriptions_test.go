package subscriptions_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app/subscriptions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

const hook = "https://app.example/api/hooks/x"

func target() subscriptions.Target {
	return subscriptions.Target{Hook: hook, Delivery: source.OverHTTP, Auth: source.BearerToken, Token: secret.New("t")}
}

// at is a subscription over HTTP.
func at(id, trigger, url string) source.Subscription {
	return source.Subscription{ID: id, TriggerID: trigger, Name: "name " + id, Delivery: source.OverHTTP, Enabled: true, URL: url, Auth: source.BearerToken}
}

// words sums up a plan.
func words(plan []subscriptions.Step) (out []string) {
	for _, s := range plan {
		parts := []string{string(s.Action), s.Trigger}
		if len(s.Changes) > 0 {
			parts = append(parts, strings.Join(s.Changes, ", "))
		}
		if s.Refused != "" {
			parts = append(parts, s.Refused)
		}
		for _, n := range s.Notes {
			parts = append(parts, "["+n[:strings.IndexAny(n+":,", ":,")]+"]")
		}
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

func TestSubscribe(t *testing.T) {
	triggers := []source.Trigger{{ID: "idn:a"}, {ID: "idn:w", Waits: true}}
	filter := "$.b"
	changed := func(s source.Subscription, change func(*source.Subscription)) source.Subscription {
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		existing []source.Subscription
		wish     subscriptions.Wish
		want     []string
	}{
		"nothing_yet":   {nil, subscriptions.Wish{}, []string{"create idn:a", "create idn:w"}},
		"others":        {[]source.Subscription{at("1", "idn:a", "https://b.example"), at("2", "idn:a", hook+"/idn:b")}, subscriptions.Wish{}, []string{"create idn:a", "create idn:w"}},
		"done":          {[]source.Subscription{at("1", "idn:a", hook+"/idn:a"), at("2", "idn:w", hook+"/idn:w")}, subscriptions.Wish{}, []string{"keep idn:a", "keep idn:w"}},
		"base_address":  {[]source.Subscription{at("1", "idn:a", hook+"/")}, subscriptions.Wish{}, []string{"update idn:a address " + hook + "/ to " + hook + "/idn:a", "create idn:w"}},
		"escaped":       {[]source.Subscription{at("1", "idn:a", strings.ToUpper(hook)+"/idn%3Aa")}, subscriptions.Wish{}, []string{"update idn:a address " + strings.ToUpper(hook) + "/idn%3Aa to " + hook + "/idn:a", "create idn:w"}},
		"key_in_query":  {[]source.Subscription{changed(at("1", "idn:a", hook+"/idn:a"), func(s *source.Subscription) { s.HasQuery = true })}, subscriptions.Wish{}, []string{"update idn:a address " + hook + "/idn:a?… to " + hook + "/idn:a", "create idn:w"}},
		"other_auth":    {[]source.Subscription{changed(at("1", "idn:a", hook+"/idn:a"), func(s *source.Subscription) { s.Auth = source.NoAuth })}, subscriptions.Wish{}, []string{"update idn:a authentication none to bearer token", "create idn:w"}},
		"filter_stays":  {[]source.Subscription{changed(at("1", "idn:a", hook+"/idn:a"), func(s *source.Subscription) { s.Filter = "$.c" })}, subscriptions.Wish{}, []string{"keep idn:a", "create idn:w"}},
		"filter":        {[]source.Subscription{at("1", "idn:a", hook+"/idn:a")}, subscriptions.Wish{Filter: &filter}, []string{`update idn:a filter "" to "$.b"`, "create idn:w"}},
		"disabled":      {[]source.Subscription{changed(at("1", "idn:a", hook+"/idn:a"), func(s *source.Subscription) { s.Enabled = false })}, subscriptions.Wish{}, []string{"keep idn:a [is disabled at the service]", "create idn:w"}},
		"enable":        {[]source.Subscription{changed(at("1", "idn:a", hook+"/idn:a"), func(s *source.Subscription) { s.Enabled = false })}, subscriptions.Wish{Enable: true}, []string{"update idn:a disabled to enabled", "create idn:w"}},
		"twice":         {[]source.Subscription{at("1", "idn:a", hook), at("2", "idn:a", hook+"/idn:a")}, subscriptions.Wish{}, []string{"update idn:a address " + hook + " to " + hook + "/idn:a [1 more subscriptions post to the same hook]", "create idn:w"}},
		"slot_taken":    {[]source.Subscription{at("1", "idn:w", "https://b.example")}, subscriptions.Wish{}, []string{"create idn:a", `refuse idn:w the only subscription that this trigger allows is taken by "name 1"`}},
		"own_slot":      {[]source.Subscription{at("1", "idn:w", hook)}, subscriptions.Wish{}, []string{"create idn:a", "update idn:w address " + hook + " to " + hook + "/idn:w"}},
		"other_service": {[]source.Subscription{changed(at("1", "idn:a", hook), func(s *source.Subscription) { s.Delivery = "WORKFLOW" })}, subscriptions.Wish{}, []string{"create idn:a", "create idn:w"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.wish.Triggers = triggers
			plan := target().Subscribe(c.existing, c.wish)
			if diff := cmp.Diff(c.want, words(plan)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, s := range plan {
				if s.Action == subscriptions.Update && (s.To.Name != s.From.Name || s.To.Token.Reveal() != "t" || s.To.ID != s.From.ID) {
					t.Errorf("update to %+v", s.To)
				}
			}
		})
	}
}

// Two connections of one app, and two kinds of delivery, are not mistaken for each other.
func TestOurs(t *testing.T) {
	acme := target()
	acme.Connection, acme.Hook = "acme", "https://app.example/api/hooks/acme/x"
	aws := subscriptions.Target{Delivery: source.OverEventBridge, AWSAccount: "123456789012", Region: "eu-west-1"}
	bus := source.Subscription{TriggerID: "idn:a", Name: "idn-sentinel a", Delivery: source.OverEventBridge, AWSAccount: "123456789012", AWSRegion: "eu-west-1"}
	named, far := bus, bus
	named.Name, far.AWSRegion = "theirs", "us-east-1"
	for name, c := range map[string]struct {
		to   subscriptions.Target
		s    source.Subscription
		want bool
	}{
		"ours":             {target(), at("1", "idn:a", hook+"/idn:a"), true},
		"other_connection": {target(), at("1", "idn:a", acme.Hook+"/idn:a"), false},
		"of_connection":    {acme, at("1", "idn:a", acme.Hook+"/idn:a"), true},
		"longer_path":      {target(), at("1", "idn:a", hook+"y/idn:a"), false},
		"other_host":       {target(), at("1", "idn:a", "https://app.example.evil/api/hooks/x"), false},
		"no_hook":          {subscriptions.Target{Delivery: source.OverHTTP}, at("1", "idn:a", "/idn:a"), false},
		"http_not_aws":     {aws, at("1", "idn:a", hook), false},
		"aws":              {aws, bus, true},
		"aws_other_name":   {aws, named, false},
		"aws_other_region": {aws, far, false},
		"aws_not_http":     {target(), bus, false},
	} {
		if got := c.to.Ours(c.s); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := acme.Name("idn:a"); got != "idn-sentinel acme a" {
		t.Errorf("name %q", got)
	}
}

// service is a list of subscriptions whose calls fail as told by fail, n counting from 1.
type service struct {
	source.EventTriggers
	list []source.Subscription
	n    int
	// fail returns whether the change is made, and the error.
	fail func(n int) (made bool, err error)
}

func (s *service) Subscriptions(context.Context) ([]source.Subscription, error) {
	return slices.Clone(s.list), nil
}

func (s *service) change(do func()) error {
	s.n++
	made, err := s.fail(s.n)
	if made {
		do()
	}
	return err
}

func (s *service) Subscribe(_ context.Context, one source.Subscription) error {
	return s.change(func() {
		one.ID = strconv.Itoa(len(s.list) + 1)
		s.list = append(s.list, one)
	})
}

func (s *service) Update(_ context.Context, from, to source.Subscription) error {
	return s.change(func() {
		for i := range s.list {
			if s.list[i].ID == from.ID {
				s.list[i] = to
			}
		}
	})
}

func (s *service) Unsubscribe(_ context.Context, id string) error {
	return s.change(func() {
		s.list = slices.DeleteFunc(s.list, func(one source.Subscription) bool { return one.ID == id })
	})
}

// apply plans and makes changes, and returns what was reported.
func apply(t *testing.T, s *service, plan func([]source.Subscription) []subscriptions.Step) (said []string, err error) {
	t.Helper()
	err = subscriptions.Apply(t.Context(), s, plan, func(step subscriptions.Step, err error) {
		line := string(step.Action) + " " + step.Trigger
		if err != nil {
			line += ": " + err.Error()
		}
		said = append(said, line)
	})
	return said, err
}

func TestApply(t *testing.T) {
	passing := &pipeline.Retryable{Err: errors.New("reset")}
	wish := subscriptions.Wish{Triggers: []source.Trigger{{ID: "idn:a"}, {ID: "idn:b"}, {ID: "idn:c"}}}
	for name, c := range map[string]struct {
		fail func(n int) (bool, error)
		want []string
		list int
		err  bool
	}{
		"good":         {func(int) (bool, error) { return true, nil }, []string{"create idn:a", "create idn:b", "create idn:c"}, 3, false},
		"lost_answer":  {func(n int) (bool, error) { return true, errorAt(n, 2, passing) }, []string{"create idn:a", "create idn:b", "create idn:c"}, 3, false},
		"lost_request": {func(n int) (bool, error) { return n != 2, errorAt(n, 2, passing) }, []string{"create idn:a", "create idn:b", "create idn:c"}, 3, false},
		"refused":      {func(n int) (bool, error) { return n != 2, errorAt(n, 2, errors.New("no")) }, []string{"create idn:a", "create idn:b: no", "create idn:c"}, 2, false},
		"down":         {func(n int) (bool, error) { return n < 2, errorAt(max(1, min(n, 2)), 2, passing) }, []string{"create idn:a"}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{fail: c.fail}
				said, err := apply(t, s, func(existing []source.Subscription) []subscriptions.Step { return target().Subscribe(existing, wish) })
				if diff := cmp.Diff(c.want, said); diff != "" || (err != nil) != c.err || len(s.list) != c.list {
					t.Errorf("%v, %d subscriptions (-want +got):\n%s", err, len(s.list), diff)
				}
			})
		})
	}
}

func errorAt(n, at int, err error) error {
	if n == at {
		return err
	}
	return nil
}

func TestApplyRotatesAndDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{list: []source.Subscription{at("1", "idn:a", hook), at("2", "idn:a", hook+"/idn:a"), at("3", "idn:b", "https://b.example")}}
		s.fail = func(n int) (bool, error) {
			return true, errorAt(n, 1, &pipeline.Retryable{Err: errors.New("reset"), After: time.Second})
		}
		said, err := apply(t, s, target().Rotate)
		if err != nil || len(said) != 2 || s.list[0].Token.Reveal() != "t" || s.list[1].Token.Reveal() != "t" || s.list[2].Token.Reveal() != "" {
			t.Errorf("rotate: %v, %v, %+v", err, said, s.list)
		}
		s.n = 0
		said, err = apply(t, s, func(existing []source.Subscription) []subscriptions.Step { return target().Unsubscribe(existing, nil) })
		if diff := cmp.Diff([]string{"delete idn:a", "delete idn:a"}, said); diff != "" || err != nil || len(s.list) != 1 {
			t.Errorf("unsubscribe: %v, %d left (-want +got):\n%s", err, len(s.list), diff)
		}
	})
}
