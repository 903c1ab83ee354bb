package sailpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// PushedStream is the stream of pushed invocations. They go into the table of the polled ones.
func PushedStream() pipeline.Stream {
	return pipeline.Stream{ID: "SailPointIDN_TriggersPushed", Table: "SailPointIDN_Triggers"}
}

const (
	// maxPush is the size of the largest body. The largest that was seen has 7 KB.
	maxPush = 4 << 20
	// maxEvents is how many events one body may have. Each becomes a row, which is larger than a small
	// event, so the size alone does not bound the memory. SailPoint and EventBridge send one at a time, and
	// an event has some 600 bytes: in as large a body there are 7,000.
	maxEvents = 20_000
)

// HookConfig says who may push, and what a trigger that waits for a decision gets.
type HookConfig struct {
	// Token and Previous are Bearer tokens; either may be nil or empty.
	Token, Previous secret.Keeper
	// Username and Password are for Basic authentication; both or none are set.
	Username string
	Password secret.Keeper
	// Approver is the user who is named where an answer needs one; "" means the requester.
	Approver string
	// Refuse means that a trigger that waits for a decision gets 403.
	Refuse bool
	// BaseURL is the tenant's API, the only place that an answer may be posted to. Nil means
	// none.
	BaseURL *url.URL
	// HTTP posts these answers; nil means a client of package transport.
	HTTP *http.Client
}

// Hook understands event triggers, pushed over HTTP or through Amazon EventBridge.
//
// A pushed invocation becomes the row that polling would make of it while it is in flight, with the
// same record id: the invocation's id and "|". Its created is the moment of arrival, or that of the
// EventBridge envelope. So what is both pushed and polled is one record, and the completed state
// follows as a second one. See docs/adr/0025-a-push-is-the-state-in-flight.md.
type Hook struct {
	cfg           HookConfig
	bearer, basic *gate.Gate
	http          *http.Client
}

var _ source.Hook = (*Hook)(nil)

// NewHook returns a hook. It sends nothing.
func NewHook(cfg HookConfig) *Hook {
	h := &Hook{cfg: cfg, bearer: gate.New(cfg.Token, cfg.Previous), basic: gate.New(), http: cfg.HTTP}
	if h.http == nil {
		h.http = transport.NewClient(transport.Config{})
	}
	if cfg.Username != "" {
		h.basic = gate.New(cfg.Password)
	}
	return h
}

// Path implements [source.Hook].
func (h *Hook) Path() string { return "sailpoint" }

// MaxBody implements [source.Hook].
func (h *Hook) MaxBody() int64 { return maxPush }

// Admits implements [source.Gate]. Exactly one header is needed: of two, another program in between
// may have judged the other one.
func (h *Hook) Admits(ctx context.Context, authorization []string) (bool, error) {
	if len(authorization) != 1 {
		return false, nil
	}
	scheme, value, _ := strings.Cut(strings.TrimSpace(authorization[0]), " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		return h.bearer.Admits(ctx, func(token secret.String) bool { return gate.Equal(value, token.Reveal()) })
	case "basic":
		return h.basic.Admits(ctx, func(password secret.String) bool {
			return gate.Equal(value, base64.StdEncoding.EncodeToString([]byte(h.cfg.Username+":"+password.Reveal())))
		})
	}
	return false, nil
}

// Ready implements [source.Gate].
func (h *Hook) Ready(ctx context.Context) error {
	return errors.Join(h.bearer.Ready(ctx), h.basic.Ready(ctx))
}

// Errors of a body. None quotes it.
var (
	errEmpty  = errors.New("the body is empty")
	errObject = errors.New("the body is neither a JSON object nor an array of objects")
)

// Receive implements [source.Hook].
func (h *Hook) Receive(rest string, body []byte, at time.Time) (source.Push, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 {
		return source.Push{}, errEmpty
	}
	bodies, broken, err := eachEvent(body)
	if err != nil {
		return source.Push{}, err
	}
	route, err := triggerOf(rest)
	if err != nil {
		return source.Push{}, err
	}
	push := receipt{Push: source.Push{Answer: source.Answer{Status: http.StatusOK, Body: []byte("{}")}}}
	waiting := 0
	for _, one := range bodies {
		e, rec, err := read(one, route, at)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		push.Records = append(push.Records, rec)
		if e.waits() {
			waiting++
			h.decide(&push, e)
		}
	}
	switch {
	case len(push.Records) == 0:
		return source.Push{}, broken[0]
	case len(broken) > 0: // one of an array costs only itself
		push.trouble(fmt.Sprintf("%d of the events that were pushed together can't be read and are lost, the others are received: %v", len(broken), broken[0]))
	}
	// An event that no person waits for must be stored, whatever it shares a body with.
	push.Waiting = waiting == len(push.Records)
	if answers := push.answers; len(answers) > 0 {
		push.After = func(ctx context.Context) error { return h.post(ctx, answers) }
		push.Owed = h.seal(answers)
	}
	return push.Push, nil
}

// receipt is a push that is being read.
type receipt struct {
	source.Push
	answers []decision // to be posted besides
}

// trouble adds something that a person should change.
func (r *receipt) trouble(text string) {
	if r.Problem != "" {
		text = r.Problem + "; " + text
	}
	r.Problem = text
}

// read reads one event.
func read(one jsontext.Value, route string, at time.Time) (*pushed, pipeline.Record, error) {
	e, err := openEnvelope(one, route, at.UTC().Truncate(time.Millisecond))
	if err != nil {
		return nil, pipeline.Record{}, err
	}
	rec, err := e.record()
	return e, rec, err
}

// eachEvent divides an array into its elements. broken says why some are not events.
func eachEvent(body []byte) (objects []jsontext.Value, broken []error, err error) {
	dec := newDecoder(body)
	switch dec.PeekKind() {
	case jsontext.KindBeginObject:
		value, err := part(dec, body)
		if err == nil && len(bytes.TrimSpace(body[dec.InputOffset():])) > 0 {
			err = notJSON(nil)
		}
		return []jsontext.Value{value}, nil, err
	case jsontext.KindBeginArray:
		objects, broken = elements(dec, body)
		if len(objects) == 0 {
			return nil, nil, broken[0]
		}
		return objects, broken, nil
	}
	if !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return nil, nil, notJSON(nil)
	}
	return nil, nil, errObject
}

// elements reads an array as far as it is valid. Without an object there is an error.
func elements(dec *jsontext.Decoder, body []byte) (objects []jsontext.Value, broken []error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, []error{notJSON(err)}
	}
	for dec.PeekKind() != jsontext.KindEndArray {
		if len(objects)+len(broken) == maxEvents {
			return nil, []error{&source.Unacceptable{Status: http.StatusRequestEntityTooLarge, Why: fmt.Sprintf("the body has more than %d events: send fewer at a time", maxEvents)}}
		}
		value, err := part(dec, body)
		switch {
		case err != nil:
			return objects, append(broken, err)
		case value.Kind() != jsontext.KindBeginObject:
			broken = append(broken, errObject)
		default:
			objects = append(objects, value)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		broken = append(broken, notJSON(err))
	} else if len(bytes.TrimSpace(body[dec.InputOffset():])) > 0 {
		broken = append(broken, notJSON(nil))
	}
	if len(objects)+len(broken) == 0 {
		broken = append(broken, errObject)
	}
	return objects, broken
}

// notJSON says where a body breaks the rules, but not how: the decoder's text may quote it.
func notJSON(err error) error {
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		return fmt.Errorf("the body is not valid JSON, from byte %d on", at.ByteOffset)
	}
	return errors.New("the body is not valid JSON")
}

// triggerOf reads the trigger's id in the address, with or without "idn:".
func triggerOf(rest string) (string, error) {
	id := strings.Trim(rest, "/")
	if id == "" {
		return "", nil
	}
	if len(id) > maxTriggerID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\"<>`, r) }) {
		return "", errors.New("what follows /sailpoint/ in the address is not the id of a trigger")
	}
	if !strings.Contains(id, ":") {
		id = "idn:" + id
	}
	return id, nil
}

// bodyHash identifies an event of a trigger that has no id: equal ones that arrive within the same 5
// minutes count as one, because it may be the same one sent again; later ones count as new.
func bodyHash(triggerID string, payload jsontext.Value, at time.Time) (string, error) {
	out := bytes.NewBufferString(triggerID)
	dec, enc := newDecoder(payload), newEncoder(out)
	err := object(dec, enc, func(name string, quoted jsontext.Value) error {
		value, err := dec.ReadValue()
		if err != nil || name == "_metadata" {
			return err
		}
		return errors.Join(enc.WriteValue(quoted), enc.WriteValue(value))
	}, nil)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.TrimRight(out.Bytes(), "\n"))
	return hashed + hex.EncodeToString(sum[:]) + "@" + at.Truncate(5*time.Minute).Format("2006-01-02T15:04Z"), nil
}
