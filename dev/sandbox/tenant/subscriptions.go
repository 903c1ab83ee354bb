package tenant

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// How many subscriptions a trigger takes.
const (
	maxFireAndForget   = 50
	maxRequestResponse = 1
)

// Subscription is a subscriber of a trigger. Unlike the API it knows the secrets.
type Subscription struct {
	ID, TriggerID     string
	Name, Description string
	// Type is HTTP, EVENTBRIDGE, INLINE, SCRIPT or WORKFLOW.
	Type             string
	Enabled          bool
	Filter           string
	ResponseDeadline string // ISO 8601
	HTTP             *HTTPConfig
	EventBridge      *EventBridgeConfig
}

// HTTPConfig says where a subscription of type HTTP sends to.
type HTTPConfig struct {
	URL      string
	Mode     string // SYNC, ASYNC, DYNAMIC; "" for fire-and-forget triggers means SYNC
	Auth     string // NO_AUTH, BASIC_AUTH, BEARER_TOKEN
	UserName string
	Password string
	Token    string
}

// EventBridgeConfig is the AWS account in which the tenant is a partner event source.
type EventBridgeConfig struct{ Account, Region string }

// The JSON forms. Pointers tell what is missing or null.
type (
	subscriptionBody struct {
		ID               *string          `json:"id,omitzero"`
		TriggerID        *string          `json:"triggerId,omitzero"`
		TriggerName      *string          `json:"triggerName,omitzero"`
		Name             *string          `json:"name,omitzero"`
		Description      *string          `json:"description,omitzero"`
		Type             *string          `json:"type,omitzero"`
		ResponseDeadline *string          `json:"responseDeadline,omitzero"`
		HTTP             *httpBody        `json:"httpConfig,omitzero"`
		EventBridge      *eventBridgeBody `json:"eventBridgeConfig,omitzero"`
		Enabled          *bool            `json:"enabled,omitzero"`
		Filter           *string          `json:"filter,omitzero"`
	}
	httpBody struct {
		URL    *string     `json:"url,omitzero"`
		Mode   *string     `json:"httpDispatchMode,omitzero"`
		Auth   *string     `json:"httpAuthenticationType,omitzero"`
		Basic  *basicBody  `json:"basicAuthConfig,omitzero"`
		Bearer *bearerBody `json:"bearerTokenAuthConfig,omitzero"`
	}
	basicBody struct {
		UserName *string `json:"userName,omitzero"`
		Password *string `json:"password"`
	}
	bearerBody struct {
		Token *string `json:"bearerToken"`
	}
	eventBridgeBody struct {
		Account *string `json:"awsAccount,omitzero"`
		Region  *string `json:"awsRegion,omitzero"`
	}
)

// body is the subscription as the API shows it: the secrets are null.
func (s Subscription) body(triggerName string) subscriptionBody {
	b := subscriptionBody{
		ID: &s.ID, TriggerID: &s.TriggerID, TriggerName: &triggerName, Name: &s.Name, Description: &s.Description, Type: &s.Type,
		ResponseDeadline: &s.ResponseDeadline, Enabled: &s.Enabled,
	}
	if s.Filter != "" {
		b.Filter = &s.Filter
	}
	if h := s.HTTP; h != nil {
		b.HTTP = &httpBody{URL: &h.URL, Mode: &h.Mode, Auth: &h.Auth}
		switch h.Auth {
		case "BASIC_AUTH":
			b.HTTP.Basic = &basicBody{UserName: &h.UserName}
		case "BEARER_TOKEN":
			b.HTTP.Bearer = &bearerBody{}
		}
	}
	if e := s.EventBridge; e != nil {
		b.EventBridge = &eventBridgeBody{&e.Account, &e.Region}
	}
	return b
}

var (
	awsAccount = regexp.MustCompile(`^\d{12}$`)
	duration   = regexp.MustCompile(`^P(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?$`)
)

// checked makes a subscription of what a client sent.
func (t *Tenant) checked(id string, b subscriptionBody) (Subscription, error) {
	s := Subscription{
		ID: id, TriggerID: text(b.TriggerID), Name: text(b.Name), Description: text(b.Description), Type: text(b.Type),
		Enabled: b.Enabled == nil || *b.Enabled, Filter: text(b.Filter), ResponseDeadline: cmp.Or(text(b.ResponseDeadline), "PT1H"),
	}
	trigger, known := t.trigger(s.TriggerID)
	switch {
	case s.TriggerID == "" || s.Type == "" || s.Name == "":
		return s, errors.New("triggerId, type and name are required")
	case !known:
		return s, fmt.Errorf("there is no trigger %q", s.TriggerID)
	case !slices.Contains([]string{"HTTP", "EVENTBRIDGE", "INLINE", "SCRIPT", "WORKFLOW"}, s.Type):
		return s, fmt.Errorf("type %q is not known", s.Type)
	case s.ResponseDeadline == "P" || !duration.MatchString(s.ResponseDeadline):
		return s, fmt.Errorf("responseDeadline %q is not a duration of ISO 8601", s.ResponseDeadline)
	}
	if s.Filter != "" {
		if _, err := parseJSONPath(s.Filter); err != nil {
			return s, fmt.Errorf("the filter is invalid: %w", err)
		}
	}
	var err error
	switch s.Type {
	case "HTTP":
		s.HTTP, err = checkedHTTP(b.HTTP, trigger)
	case "EVENTBRIDGE":
		s.EventBridge, err = checkedEventBridge(b.EventBridge)
	default:
		err = unknown("subscriptions of type " + s.Type)
	}
	return s, err
}

func checkedHTTP(b *httpBody, of Trigger) (*HTTPConfig, error) {
	if b == nil {
		return nil, errors.New("httpConfig is required for the type HTTP")
	}
	h := &HTTPConfig{URL: text(b.URL), Mode: text(b.Mode), Auth: cmp.Or(text(b.Auth), "NO_AUTH")}
	if b.Basic != nil {
		h.UserName, h.Password = text(b.Basic.UserName), text(b.Basic.Password)
	}
	if b.Bearer != nil {
		h.Token = text(b.Bearer.Token)
	}
	to, err := url.Parse(h.URL)
	switch {
	case err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http":
		return nil, errors.New("the url of httpConfig is not an address")
	case h.Mode == "" && of.RequestResponse: // SailPoint's own clients omit it for the others
		return nil, errors.New("httpDispatchMode is required")
	case !slices.Contains([]string{"", "SYNC", "ASYNC", "DYNAMIC"}, h.Mode):
		return nil, fmt.Errorf("httpDispatchMode %q is not known", h.Mode)
	case !slices.Contains([]string{"NO_AUTH", "BASIC_AUTH", "BEARER_TOKEN"}, h.Auth):
		return nil, fmt.Errorf("httpAuthenticationType %q is not known", h.Auth)
	}
	h.Mode = cmp.Or(h.Mode, "SYNC")
	return h, nil
}

func checkedEventBridge(b *eventBridgeBody) (*EventBridgeConfig, error) {
	if b == nil || text(b.Region) == "" || !awsAccount.MatchString(text(b.Account)) {
		return nil, errors.New("eventBridgeConfig needs an awsAccount of 12 digits and an awsRegion")
	}
	return &EventBridgeConfig{*b.Account, *b.Region}, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Subscriptions returns all subscriptions in the order in which they were made, with their
// secrets.
func (t *Tenant) Subscriptions() []Subscription {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	return slices.Clone(t.data.subscriptions)
}

// Subscribe adds a subscription, as a person does in the tenant's pages, and returns its id.
// It panics if the tenant would refuse it.
func (t *Tenant) Subscribe(s Subscription) string {
	b := s.body("")
	b.ID = nil
	if s.HTTP != nil {
		b.HTTP.Basic = &basicBody{&s.HTTP.UserName, &s.HTTP.Password}
		b.HTTP.Bearer = &bearerBody{&s.HTTP.Token}
	}
	made, err := t.create(b)
	if err != nil {
		panic(fmt.Sprintf("subscribe to %s: %v", s.TriggerID, err))
	}
	return made.ID
}

func (t *Tenant) create(b subscriptionBody) (Subscription, error) {
	s, err := t.checked(t.uuid("subscription"), b)
	if err != nil {
		return s, err
	}
	trigger, _ := t.trigger(s.TriggerID)
	slots := maxFireAndForget
	if trigger.RequestResponse {
		slots = maxRequestResponse
	}
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	taken := 0
	for _, other := range t.data.subscriptions {
		if other.TriggerID == s.TriggerID {
			taken++
		}
	}
	if taken >= slots {
		return s, fmt.Errorf("the trigger %s has reached its limit of %d subscriptions", s.TriggerID, slots)
	}
	t.data.subscriptions = append(t.data.subscriptions, s)
	return s, nil
}

// readBody reads the JSON of a request, and answers if it can't.
func (t *Tenant) readBody(w http.ResponseWriter, r *http.Request, wantType string, to any) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != wantType {
		t.refuse(w, http.StatusBadRequest, "400.0 Bad request syntax", "The body must be of type "+wantType+".")
		return false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err != nil {
		t.refuse(w, http.StatusBadRequest, "400.0 Bad request syntax", "The request could not be parsed.")
		return false
	}
	return true
}

const typeJSON = "application/json"

func (t *Tenant) serveSubscriptions(w http.ResponseWriter, r *http.Request) {
	id := func(s Subscription) string { return s.ID }
	trigger := func(s Subscription) string { return s.TriggerID }
	serveList(t, w, r, t.Subscriptions(), fields[Subscription]{
		filters: map[string]fieldOf[Subscription]{
			"id": {id, "eq"}, "triggerId": {trigger, "eq"}, "type": {func(s Subscription) string { return s.Type }, "eq le"},
		},
		sorters: map[string]func(Subscription) string{"triggerId": trigger, "triggerName": func(s Subscription) string { return t.triggerName(s.TriggerID) }},
	}, t.encoded)
}

func (t *Tenant) encoded(s Subscription) jsontext.Value {
	return encode(s.body(t.triggerName(s.TriggerID)))
}

func (t *Tenant) triggerName(id string) string {
	one, _ := t.trigger(id)
	return one.Name
}

func (t *Tenant) serveSubscribe(w http.ResponseWriter, r *http.Request) {
	var b subscriptionBody
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	s, err := t.create(b)
	if err != nil {
		t.refuseQuery(w, err)
		return
	}
	writeBody(w, http.StatusCreated, t.encoded(s))
}

// serveReplace is PUT: what is not sent is gone, secrets included.
func (t *Tenant) serveReplace(w http.ResponseWriter, r *http.Request) {
	var b subscriptionBody
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	t.change(w, r, func(old Subscription) (Subscription, error) {
		if b.ID != nil && *b.ID != old.ID || b.TriggerID != nil && *b.TriggerID != old.TriggerID {
			return old, errors.New("id and triggerId can't be changed")
		}
		b.TriggerID = &old.TriggerID
		return t.checked(old.ID, b)
	})
}

// servePatch is PATCH with JSON Patch, of whole members only.
func (t *Tenant) servePatch(w http.ResponseWriter, r *http.Request) {
	var steps []struct {
		Op    string         `json:"op"`
		Path  string         `json:"path"`
		From  string         `json:"from"`
		Value jsontext.Value `json:"value"`
	}
	if !t.readBody(w, r, "application/json-patch+json", &steps) {
		return
	}
	t.change(w, r, func(old Subscription) (Subscription, error) {
		b := old.body("")
		if old.HTTP != nil { // what is not replaced keeps its secrets
			b.HTTP.Basic = &basicBody{&old.HTTP.UserName, &old.HTTP.Password}
			b.HTTP.Bearer = &bearerBody{&old.HTTP.Token}
		}
		for _, step := range steps {
			name := strings.TrimPrefix(step.Path, "/")
			switch {
			case !slices.Contains([]string{"name", "description", "enabled", "type", "filter", "responseDeadline", "httpConfig", "eventBridgeConfig", "workflowConfig"}, name):
				return old, fmt.Errorf("the path %q can't be patched", step.Path)
			case step.Op == "remove":
				step.Value = jsontext.Value("null")
			case step.Op == "move", step.Op == "copy":
				return old, unknown("the patch operation " + step.Op)
			case step.Op != "add" && step.Op != "replace" || step.Value == nil:
				return old, fmt.Errorf("the operation %q of a patch is incomplete or not known", step.Op)
			}
			member := jsontext.Value(fmt.Sprintf(`{%q:%s}`, name, step.Value))
			switch name {
			case "httpConfig":
				b.HTTP = nil
			case "eventBridgeConfig":
				b.EventBridge = nil
			}
			if err := json.Unmarshal(member, &b); err != nil {
				return old, fmt.Errorf("the value for %q is of the wrong type", step.Path)
			}
		}
		return t.checked(old.ID, b)
	})
}

// change replaces the subscription that the path names.
func (t *Tenant) change(w http.ResponseWriter, r *http.Request, to func(Subscription) (Subscription, error)) {
	id := lastSegment(r.URL.Path)
	t.data.mu.Lock()
	i := t.data.subscriptionAt(id)
	var s Subscription
	var err error
	if i >= 0 {
		if s, err = to(t.data.subscriptions[i]); err == nil {
			t.data.subscriptions[i] = s
		}
	}
	t.data.mu.Unlock()
	switch {
	case i < 0:
		t.refuse(w, http.StatusNotFound, "404 Not found", "There is no subscription "+id+".")
	case err != nil:
		t.refuseQuery(w, err)
	default:
		writeBody(w, http.StatusOK, t.encoded(s))
	}
}

// Unsubscribe ends a subscription, and reports whether there was one. What was emitted to it is sent.
func (t *Tenant) Unsubscribe(id string) bool {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	i := t.data.subscriptionAt(id)
	if i >= 0 {
		t.data.subscriptions = slices.Delete(t.data.subscriptions, i, i+1)
	}
	return i >= 0
}

func (t *Tenant) serveUnsubscribe(w http.ResponseWriter, r *http.Request) {
	id := lastSegment(r.URL.Path)
	if !t.Unsubscribe(id) {
		t.refuse(w, http.StatusNotFound, "404 Not found", "There is no subscription "+id+".")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// subscriptionAt is the index of a subscription; −1 if there is none. The caller holds the lock.
func (d *data) subscriptionAt(id string) int {
	return slices.IndexFunc(d.subscriptions, func(s Subscription) bool { return s.ID == id })
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// serveValidateFilter says what is right about a filter, for an input.
func (t *Tenant) serveValidateFilter(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Input  jsontext.Value `json:"input"`
		Filter *string        `json:"filter"`
	}
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	if b.Input.Kind() != '{' || b.Filter == nil {
		t.refuseQuery(w, errors.New("input, an object, and filter are required"))
		return
	}
	path, err := parseJSONPath(*b.Filter)
	if errors.As(err, new(unknown)) {
		t.refuseQuery(w, err)
		return
	}
	exists := err == nil && path.matches(b.Input)
	writeJSON(w, http.StatusOK, struct {
		Valid     bool `json:"isValid"`
		ValidPath bool `json:"isValidJSONPath"`
		PathExist bool `json:"isPathExist"`
	}{err == nil && exists, err == nil, exists})
}
