package tenant

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// The types of triggers.
const (
	fireAndForget   = "FIRE_AND_FORGET"
	requestResponse = "REQUEST_RESPONSE"
)

// maxListLimit is the largest page of triggers and of subscriptions.
const maxListLimit = 250

// Trigger is an event type that can be subscribed to.
type Trigger struct {
	ID, Name, Description string
	// RequestResponse: the service waits for the subscriber's decision. The other triggers are
	// fire and forget.
	RequestResponse bool
	// Example is the exampleInput, a JSON object.
	Example jsontext.Value
	// OutputSchema and ExampleOutput are for RequestResponse.
	OutputSchema  string
	ExampleOutput jsontext.Value
}

// kind is the trigger's type in the API.
func (t Trigger) kind() string {
	if t.RequestResponse {
		return requestResponse
	}
	return fireAndForget
}

// publicTriggers are those whose ids SailPoint publishes, with invented descriptions. Two of
// them are REQUEST_RESPONSE; the output schemas are restated from SailPoint's API document.
func publicTriggers() []Trigger {
	g := synth.New(synth.Options{Seed: 1, Canary: "synthetic"})
	at := time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)
	var list []Trigger
	for _, known := range []struct{ id, name string }{
		{"idn:access-request-dynamic-approver", "Access Request Dynamic Approver"},
		{"idn:access-request-post-approval", "Access Request Decision"},
		{"idn:access-request-pre-approval", "Access Request Submitted"},
		{"idn:account-aggregation-completed", "Account Aggregation Completed"},
		{"idn:account-attributes-changed", "Account Attributes Changed"},
		{"idn:account-correlated", "Account Correlated"},
		{"idn:aggregation-accounts-collected", "Accounts Collected for Aggregation"},
		{"idn:campaign-activated", "Campaign Activated"},
		{"idn:campaign-ended", "Campaign Ended"},
		{"idn:campaign-generated", "Campaign Generated"},
		{"idn:certification-signed-off", "Certification Signed Off"},
		{"idn:identity-attributes-changed", "Identity Attributes Changed"},
		{"idn:identity-created", "Identity Created"},
		{"idn:identity-deleted", "Identity Deleted"},
		{"idn:post-provisioning", "Provisioning Completed"},
		{"idn:saved-search-complete", "Saved Search Completed"},
		{"idn:source-created", "Source Created"},
		{"idn:source-deleted", "Source Deleted"},
		{"idn:source-updated", "Source Updated"},
		{"idn:va-cluster-status-change", "VA Cluster Status Change"},
	} {
		// The second shape is the one of today's document where there are two.
		t := Trigger{ID: known.id, Name: known.name, Description: "Synthetic description of " + known.name + "."}
		t.Example, t.RequestResponse = g.Payload(known.id, exampleShape(known.id), at)
		switch known.id {
		case "idn:access-request-dynamic-approver":
			t.OutputSchema = `{"type":["object","null"],"required":["id","name","type"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"type":{"enum":["IDENTITY","GOVERNANCE_GROUP",""]}}}`
			t.ExampleOutput = jsontext.Value(`{"id":"2c9180835d191a86015d28455b4b232a","name":"Synthetic approver","type":"IDENTITY"}`)
		case "idn:access-request-pre-approval":
			t.OutputSchema = `{"type":"object","required":["approved","comment","approver"],"properties":{"approved":{"type":"boolean"},"comment":{"type":"string"},"approver":{"type":"string"}}}`
			t.ExampleOutput = jsontext.Value(`{"approved":false,"comment":"This access would violate a policy.","approver":"synthetic.approver"}`)
		}
		list = append(list, t)
	}
	return list
}

// exampleShape is the number of the payload that has the shape of today's API document, where
// a trigger has several.
func exampleShape(id string) int {
	if slices.Contains([]string{"idn:access-request-post-approval", "idn:saved-search-complete"}, id) {
		return 1
	}
	return 0
}

// triggers are all triggers of the tenant, by id.
func (t *Tenant) triggers() []Trigger {
	if t.Triggers != nil {
		return t.Triggers
	}
	t.publicOnce.Do(func() { t.public = publicTriggers() })
	return t.public
}

// trigger returns the trigger of an id.
func (t *Tenant) trigger(id string) (Trigger, bool) {
	all := t.triggers()
	i := slices.IndexFunc(all, func(one Trigger) bool { return one.ID == id })
	if i < 0 {
		return Trigger{}, false
	}
	return all[i], true
}

// inputSchema is a JSON schema that the example fits: its members and their types.
func (t Trigger) inputSchema() string {
	var b strings.Builder
	var names []string
	b.WriteString(`{"type":"object","properties":{`)
	for name, value := range object(t.Example) {
		if len(names) > 0 {
			b.WriteByte(',')
		}
		names = append(names, strconv.Quote(name))
		fmt.Fprintf(&b, `%q:{"type":%q}`, name, schemaType(value))
	}
	b.WriteString(`},"required":[` + strings.Join(names, ",") + `]}`)
	return b.String()
}

func schemaType(v jsontext.Value) string {
	switch v.Kind() {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case '0':
		return "number"
	case 'n':
		return "null"
	default:
		return "boolean"
	}
}

// accepts says what of an input breaks the input schema, or "".
func (t Trigger) accepts(input jsontext.Value) string {
	if input.Kind() != '{' {
		return "input is not an object"
	}
	given := map[string]jsontext.Value{}
	for name, value := range object(input) {
		given[name] = value
	}
	for name, example := range object(t.Example) {
		got, ok := given[name]
		switch {
		case !ok:
			return "input lacks the member " + name
		case got.Kind() != example.Kind() && got.Kind() != 'n' && example.Kind() != 'n' && !oneOrMany(got, example) && (schemaType(got) != "boolean" || schemaType(example) != "boolean"):
			return "the member " + name + " of input is not of the type " + schemaType(example)
		}
	}
	return ""
}

// oneOrMany: the examples have an object where the schema has a list of them, and vice versa.
func oneOrMany(a, b jsontext.Value) bool {
	return strings.ContainsRune("{[", rune(a.Kind())) && strings.ContainsRune("{[", rune(b.Kind()))
}

// serveTriggers lists the triggers.
func (t *Tenant) serveTriggers(w http.ResponseWriter, r *http.Request) {
	type body struct {
		ID            string         `json:"id"`
		Name          string         `json:"name"`
		Type          string         `json:"type"`
		Description   string         `json:"description"`
		InputSchema   string         `json:"inputSchema"`
		ExampleInput  jsontext.Value `json:"exampleInput"`
		OutputSchema  *string        `json:"outputSchema"`
		ExampleOutput jsontext.Value `json:"exampleOutput"`
	}
	serveList(t, w, r, t.triggers(), fields[Trigger]{
		filters: map[string]fieldOf[Trigger]{"id": {func(t Trigger) string { return t.ID }, "eq ge le"}},
		sorters: map[string]func(Trigger) string{"id": func(t Trigger) string { return t.ID }, "name": func(t Trigger) string { return t.Name }},
	}, func(one Trigger) jsontext.Value {
		b := body{
			ID: one.ID, Name: one.Name, Type: one.kind(), Description: one.Description,
			InputSchema: one.inputSchema(), ExampleInput: one.Example, ExampleOutput: jsontext.Value("null"),
		}
		if one.RequestResponse {
			b.OutputSchema = &one.OutputSchema
			b.ExampleOutput = one.ExampleOutput
		}
		return encode(b)
	})
}

// fieldOf is a field that a list can be filtered by, and the operators it knows.
type fieldOf[T any] struct {
	get       func(T) string
	operators string
}

// fields are what a list can be filtered and sorted by.
type fields[T any] struct {
	filters map[string]fieldOf[T]
	sorters map[string]func(T) string
}

// serveList answers a page of a list.
func serveList[T any](t *Tenant, w http.ResponseWriter, r *http.Request, list []T, f fields[T], encoded func(T) jsontext.Value) {
	values := r.URL.Query()
	p, err := parsePage(values, maxListLimit)
	if err == nil {
		list, err = f.selected(list, values)
	}
	if err != nil {
		t.refuseQuery(w, err)
		return
	}
	writeList(t, w, p, list, func(one T, body []byte) []byte { return append(body, encoded(one)...) })
}

// writeList writes a page of what was asked for.
func writeList[T any](t *Tenant, w http.ResponseWriter, p page, list []T, appended func(T, []byte) []byte) {
	p = t.capped(p)
	total := len(list)
	list = list[min(p.offset, len(list)):]
	list = list[:min(p.limit, len(list))]
	if t.TotalOfPage {
		total = len(list)
	}
	if p.count && !t.OmitTotal {
		w.Header().Set("X-Total-Count", strconv.Itoa(total))
	}
	body := []byte{'['}
	for i, one := range list {
		if i > 0 {
			body = append(body, ',')
		}
		body = appended(one, body)
	}
	writeBody(w, http.StatusOK, append(body, ']'))
}

// selected is what filters and sorters ask for.
func (f fields[T]) selected(list []T, values url.Values) ([]T, error) {
	list = slices.Clone(list)
	for condition := range strings.SplitSeq(values.Get("filters"), " and ") {
		if strings.TrimSpace(condition) == "" {
			continue
		}
		name, rest, _ := strings.Cut(strings.TrimSpace(condition), " ")
		op, quoted, _ := strings.Cut(rest, " ")
		value, err := strconv.Unquote(strings.TrimSpace(quoted))
		field, known := f.filters[name]
		switch {
		case !known:
			return nil, fmt.Errorf("filtering by %q is not supported", name)
		case err != nil || !slices.Contains(strings.Fields(field.operators), op):
			return nil, fmt.Errorf("filter %q is not of the form field operator \"value\" with an operator of %s", condition, field.operators)
		}
		list = slices.DeleteFunc(list, func(one T) bool {
			n := strings.Compare(field.get(one), value)
			return op == "eq" && n != 0 || op == "ge" && n < 0 || op == "le" && n > 0
		})
	}
	var orders []func(a, b T) int
	for name := range strings.SplitSeq(values.Get("sorters"), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		name, down := strings.CutPrefix(name, "-")
		get, known := f.sorters[name]
		if !known {
			return nil, fmt.Errorf("sorting by %q is not supported", name)
		}
		orders = append(orders, func(a, b T) int {
			if down {
				a, b = b, a
			}
			return cmp.Compare(get(a), get(b))
		})
	}
	slices.SortStableFunc(list, func(a, b T) int {
		for _, order := range orders {
			if n := order(a, b); n != 0 {
				return n
			}
		}
		return 0
	})
	return list, nil
}

// encode encodes an answer.
func encode(v any) jsontext.Value {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode an answer: %v", err))
	}
	return b
}
