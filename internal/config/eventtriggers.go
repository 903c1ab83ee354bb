package config

import (
	"cmp"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// EventTriggers receives the event triggers of an IdentityNow tenant. At least a token, or a user
// name with a password, is set.
type EventTriggers struct {
	// Token is what a sender must present as Bearer token. TokenPrevious is accepted too.
	Token, TokenPrevious secret.Value
	// Username and Password are for Basic authentication.
	Username string
	Password secret.Value
	// Approver is the user who is named where a neutral answer needs one; "" means the requester.
	Approver string
	// Refuse means that a trigger that waits for a decision gets 403 instead of its neutral
	// answer.
	Refuse bool
}

// Kind implements [Source].
func (s *EventTriggers) Kind() string { return EventTriggersKind().Name }

// EventTriggers returns the settings for event triggers; nil if the connection receives none.
func (c Connection) EventTriggers() *EventTriggers {
	for _, s := range c.Sources {
		if own, ok := s.(*EventTriggers); ok {
			return own
		}
	}
	return nil
}

// EventTriggersKind describes the settings of received event triggers.
func EventTriggersKind() Kind {
	return Kind{
		Name: "event-triggers",
		On:   []string{"WEBHOOK_TOKEN", "WEBHOOK_TOKEN_PREVIOUS", "WEBHOOK_USERNAME", "WEBHOOK_PASSWORD"},
		Read: func(r *Reader) (Source, string) {
			v := eventTriggersReader{Reader: r}
			r.Fill(&v.text)
			return v.read(), cmp.Or(strings.ToLower(r.prefix), "webhook")
		},
		Table: []Setting{
			{Name: "WEBHOOK_TOKEN", Otherwise: "event triggers are not received", Secret: true, Meaning: "What event triggers must present as Bearer token to `/api/hooks/sailpoint`, at least 16 characters. See [docs/event-triggers.md](docs/event-triggers.md)."},
			{Name: "WEBHOOK_TOKEN_PREVIOUS", Secret: true, Meaning: "Accepted as well while the token is being replaced."},
			{Name: "WEBHOOK_USERNAME", Meaning: "User name for Basic authentication, instead of a token or beside it."},
			{Name: "WEBHOOK_PASSWORD", Secret: true, Meaning: "Password for that user name, at least 16 characters."},
			{Name: "REQUEST_RESPONSE_ANSWER", Default: "neutral", Meaning: "What a trigger of type REQUEST_RESPONSE gets if one is pointed here: `neutral` is the answer that changes nothing, `refuse` is 403."},
			{Name: "REQUEST_RESPONSE_APPROVER", Otherwise: "the requester", Meaning: "User name of an identity that the neutral answer of a pre-approval names as approver. It must exist, or the trigger Access Request Decision does not fire for the request."},
		},
	}
}

type eventTriggersReader struct {
	*Reader
	text struct {
		Token    secret.Value `envconfig:"WEBHOOK_TOKEN"`
		Previous secret.Value `envconfig:"WEBHOOK_TOKEN_PREVIOUS"`
		Username string       `envconfig:"WEBHOOK_USERNAME"`
		Password secret.Value `envconfig:"WEBHOOK_PASSWORD"`
		Answer   string       `envconfig:"REQUEST_RESPONSE_ANSWER"`
		Approver string       `envconfig:"REQUEST_RESPONSE_APPROVER"`
	}
}

func (v *eventTriggersReader) read() *EventTriggers {
	s := &EventTriggers{Token: v.text.Token, TokenPrevious: v.text.Previous, Username: v.text.Username, Password: v.text.Password, Approver: v.text.Approver}
	v.credential("WEBHOOK_TOKEN", s.Token)
	v.credential("WEBHOOK_TOKEN_PREVIOUS", s.TokenPrevious)
	v.credential("WEBHOOK_PASSWORD", s.Password)
	if !s.TokenPrevious.IsZero() && s.Token.IsZero() && !v.Reported("WEBHOOK_TOKEN") {
		v.Problem("WEBHOOK_TOKEN_PREVIOUS", "is set without WEBHOOK_TOKEN: set the new token there, or remove this one")
	}
	switch {
	case s.Username == "" && !s.Password.IsZero():
		v.Require("WEBHOOK_USERNAME", "", "it belongs to WEBHOOK_PASSWORD, and SailPoint sends both")
	case s.Username != "":
		v.RequireSecret("WEBHOOK_PASSWORD", s.Password, "it belongs to WEBHOOK_USERNAME, and SailPoint sends both")
		if strings.Contains(s.Username, ":") {
			v.Problem("WEBHOOK_USERNAME", "has a colon, which ends the user name in Basic authentication: use another name")
		}
	}
	switch strings.ToLower(v.text.Answer) {
	case "neutral", "":
	case "refuse":
		s.Refuse = true
	default:
		v.Problemf("REQUEST_RESPONSE_ANSWER", "is %s: use neutral or refuse", shown(v.text.Answer))
	}
	return s
}

// credential checks what a sender must present. One in a vault is checked when it is read.
func (r *Reader) credential(setting string, value secret.Value) {
	text := value.Text().Reveal()
	if text == "" || r.Reported(setting) {
		return
	}
	if flaw := gate.Flaw(text); flaw != "" {
		r.Problem(setting, flaw)
	}
}
