package config

import (
	"cmp"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// SaaS receives the reports of SailPoint SaaS Management.
type SaaS struct {
	// Secret is what a sender must present.
	Secret secret.Value
	// Workflow is started for each report, or each row; nil if none is.
	Workflow *Workflow
}

// Kind implements [Source].
func (s *SaaS) Kind() string { return SaaSKind().Name }

// SaaSKind describes the settings of received SaaS Management reports.
func SaaSKind() Kind {
	return Kind{
		Name: "saas",
		On:   []string{"SAAS_WEBHOOK_SECRET"},
		Read: func(r *Reader) (Source, string) {
			var text struct {
				Secret secret.Value `envconfig:"SAAS_WEBHOOK_SECRET"`
			}
			r.Fill(&text)
			r.credential("SAAS_WEBHOOK_SECRET", text.Secret)
			return &SaaS{Secret: text.Secret, Workflow: r.workflow()}, cmp.Or(strings.ToLower(r.prefix), "webhook")
		},
		Table: append([]Setting{
			{Name: "SAAS_WEBHOOK_SECRET", Otherwise: "reports are not received", Secret: true, Meaning: "What SaaS Management reports must present to `/api/hooks/saas`, at least 16 characters. See [docs/saas-management.md](docs/saas-management.md)."},
		}, workflowSettings()...),
	}
}
