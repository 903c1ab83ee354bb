package config

import (
	"net/url"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Doorlog is one door controller.
type Doorlog struct {
	BaseURL *url.URL
	Token   secret.String
}

// Kind implements [Source].
func (d *Doorlog) Kind() string { return DoorlogKind().Name }

// DoorlogKind are the settings of a door controller.
func DoorlogKind() Kind {
	return Kind{
		Name: "doorlog",
		On:   []string{"DOORLOG_URL"},
		Read: func(r *Reader) (Source, string) {
			var text struct {
				URL   string        `envconfig:"DOORLOG_URL"`
				Token secret.String `envconfig:"DOORLOG_TOKEN"`
			}
			r.Fill(&text)
			d := &Doorlog{BaseURL: r.Address("DOORLOG_URL", text.URL), Token: text.Token}
			r.Require("DOORLOG_TOKEN", d.Token.Reveal(), "copy it from the controller's label")
			if d.BaseURL == nil {
				return d, ""
			}
			return d, "doors-" + d.BaseURL.Hostname()
		},
		Table: []Setting{
			{Name: "DOORLOG_URL", Meaning: "Address of the door controller."},
			{Name: "DOORLOG_TOKEN", Secret: true, Meaning: "Its token."},
		},
	}
}
