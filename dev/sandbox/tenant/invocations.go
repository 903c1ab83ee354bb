package tenant

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// How long the status endpoint knows an invocation, and how many rows one
// answer has at most.
const (
	keepSuccessful = 24 * time.Hour
	keepFailed     = 48 * time.Hour // or still in flight
	keepAtMost     = 2000
	maxStatusLimit = 250
)

type invocation = synth.Invocation

// AddInvocation adds the invocation of a trigger. It is listed from its Created
// time on, and in flight until its Completed time, by the clock Now; so one
// call can tell the whole story.
func (t *Tenant) AddInvocation(inv synth.Invocation) {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	at, _ := slices.BinarySearchFunc(t.data.invocations, inv, compareInvocations)
	t.data.invocations = slices.Insert(t.data.invocations, at, inv)
}

func compareInvocations(a, b invocation) int {
	return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
}

// CompleteInvocation ends an invocation that is in flight; failure is the
// message of its error, "" for success. It reports whether there is one of that id.
func (t *Tenant) CompleteInvocation(id string, at time.Time, failure string) bool {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	i := slices.IndexFunc(t.data.invocations, func(inv invocation) bool { return inv.ID == id })
	if i < 0 {
		return false
	}
	t.data.invocations[i].Completed = at
	t.data.invocations[i].Error = failure
	return true
}

// Invocations returns every invocation that was added, listed or not, by created
// time.
func (t *Tenant) Invocations() []synth.Invocation {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	return slices.Clone(t.data.invocations)
}

// serveStatus lists the invocations.
func (t *Tenant) serveStatus(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	p, err := parsePage(values, maxStatusLimit)
	var list []invocation
	if err == nil {
		list, err = t.selectInvocations(values.Get("filters"), values.Get("sorters"))
	}
	if err != nil {
		t.refuseQuery(w, err)
		return
	}
	writeList(t, w, p, list, invocation.AppendJSON)
}

// selectInvocations returns what filters and sorters ask for.
func (t *Tenant) selectInvocations(filters, sorters string) ([]invocation, error) {
	keep, err := parseFilters(filters)
	if err != nil {
		return nil, err
	}
	order, err := parseSorters(sorters)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(t.listed(), func(inv invocation) bool { return !keep(inv) })
	slices.SortFunc(list, order)
	return list, nil
}

// listed returns the invocations that the endpoint knows at the moment, as they
// are at the moment.
func (t *Tenant) listed() []invocation {
	now := t.now()
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	var list []invocation
	for _, inv := range slices.Backward(t.data.invocations) {
		if inv.Created.After(now) {
			continue
		}
		age := now.Sub(inv.Created)
		if age > keepFailed || len(list) == cmp.Or(t.KeepInvocations, keepAtMost) {
			break
		}
		if inv.Completed.After(now) {
			inv.Completed, inv.Error, inv.Output = time.Time{}, "", nil
		}
		if age > keepSuccessful && !inv.Failed() && !inv.Completed.IsZero() {
			continue
		}
		list = append(list, inv)
	}
	return list
}

// parseFilters reads triggerId eq "…" and subscriptionId eq "…".
func parseFilters(text string) (func(invocation) bool, error) {
	if text == "" {
		return func(invocation) bool { return true }, nil
	}
	field, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	op, value, _ := strings.Cut(rest, " ")
	value, err := strconv.Unquote(value)
	if err != nil || op != "eq" {
		return nil, fmt.Errorf(`filter %q is not of the form field eq "value"`, text)
	}
	switch field {
	case "triggerId":
		return func(inv invocation) bool { return inv.TriggerID == value }, nil
	case "subscriptionId":
		return func(inv invocation) bool { return inv.SubscriptionID == value }, nil
	default:
		return nil, fmt.Errorf("filtering by %q is not supported", field)
	}
}

// parseSorters reads a list of field names, each with an optional "-". With none
// the order is that of the ids, which says nothing: the service promises no order.
func parseSorters(text string) (func(a, b invocation) int, error) {
	var orders []func(a, b invocation) int
	for name := range strings.SplitSeq(text, ",") {
		field, down := strings.CutPrefix(strings.TrimSpace(name), "-")
		var order func(a, b invocation) int
		switch field {
		case "":
			if down {
				return nil, errors.New("a sorter has no name")
			}
			continue
		case "created":
			order = func(a, b invocation) int { return a.Created.Compare(b.Created) }
		case "completed":
			order = compareCompleted
		case "triggerId":
			order = func(a, b invocation) int { return strings.Compare(a.TriggerID, b.TriggerID) }
		case "subscriptionName":
			order = func(a, b invocation) int { return strings.Compare(a.SubscriptionName, b.SubscriptionName) }
		default:
			return nil, fmt.Errorf("sorting by %q is not supported", field)
		}
		if down {
			orders = append(orders, func(a, b invocation) int { return order(b, a) })
		} else {
			orders = append(orders, order)
		}
	}
	return func(a, b invocation) int {
		for _, order := range orders {
			if n := order(a, b); n != 0 {
				return n
			}
		}
		return strings.Compare(a.ID, b.ID)
	}, nil
}

// compareCompleted puts what is in flight behind what is completed.
func compareCompleted(a, b invocation) int {
	if a.Completed.IsZero() || b.Completed.IsZero() {
		return -a.Completed.Compare(b.Completed)
	}
	return a.Completed.Compare(b.Completed)
}
