package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Workflow is a workflow of SailPoint that is started for received reports.
type Workflow struct {
	// URL is the address of its external trigger, BaseURL that of the API it belongs to.
	URL, BaseURL *url.URL
	// ClientID and ClientSecret were made for the trigger.
	ClientID     string
	ClientSecret secret.Value
	// ByRow starts it for each row, not for each report.
	ByRow bool
	// Repeat has a start repeated of which it is not known whether it happened.
	Repeat bool
}

// workflowPath is the path of an external trigger, per service or below a legacy version.
var workflowPath = regexp.MustCompile(`^(.*)/(?:workflows/v\d+|(?:beta|v\d+)/workflows)/execute/external/[0-9A-Za-z-]{8,64}$`)

// apiHost is what the host of a tenant's API looks like.
var apiHost = regexp.MustCompile(`^[a-z0-9-]+\.api\.[a-z0-9.-]+$`)

func workflowSettings() []Setting {
	return []Setting{
		{Name: "WORKFLOW_URL", Otherwise: "reports are not forwarded", Meaning: "Address of the external trigger of a SailPoint workflow, which is started for each report. See [docs/saas-management.md](docs/saas-management.md#forward-reports-to-a-workflow)."},
		{Name: "WORKFLOW_CLIENT_ID", Meaning: "ID of the client that was created for that trigger."},
		{Name: "WORKFLOW_CLIENT_SECRET", Secret: true, Meaning: "Secret of that client. Tokens are requested and renewed with it."},
		{Name: "WORKFLOW_INPUT", Default: "report", Meaning: "`report` starts the workflow once for up to 250 rows of a report, `row` for each row."},
		{Name: "WORKFLOW_IN_DOUBT", Default: "keep", Meaning: "What happens if it is not known whether the workflow was started: `keep` starts it once at most, and keeps the rows for you to decide; `repeat` starts it again, at least once, and says so in the input."},
	}
}

type workflowReader struct {
	*Reader
	text struct {
		URL      string       `envconfig:"WORKFLOW_URL"`
		ClientID string       `envconfig:"WORKFLOW_CLIENT_ID"`
		Secret   secret.Value `envconfig:"WORKFLOW_CLIENT_SECRET"`
		Input    string       `envconfig:"WORKFLOW_INPUT"`
		InDoubt  string       `envconfig:"WORKFLOW_IN_DOUBT"`
	}
}

// workflow reads the settings of the workflow that reports are forwarded to; nil if there is none.
func (r *Reader) workflow() *Workflow {
	v := workflowReader{Reader: r}
	r.Fill(&v.text)
	w := &Workflow{
		ClientID: v.text.ClientID, ClientSecret: v.text.Secret,
		ByRow:  v.choice("WORKFLOW_INPUT", v.text.Input, "report", "row"),
		Repeat: v.choice("WORKFLOW_IN_DOUBT", v.text.InDoubt, "keep", "repeat"),
	}
	if v.text.URL == "" {
		if !v.Reported("WORKFLOW_URL") && (w.ClientID != "" || !w.ClientSecret.IsZero()) {
			v.Require("WORKFLOW_URL", "", "copy it from the external trigger of the workflow that WORKFLOW_CLIENT_ID belongs to")
		}
		return nil
	}
	const remedy = "create a client at the external trigger of the workflow, which shows it once"
	if text, ok := v.RequireSecret("WORKFLOW_CLIENT_SECRET", w.ClientSecret, remedy); ok {
		v.secretText("WORKFLOW_CLIENT_SECRET", text)
	}
	if v.Require("WORKFLOW_CLIENT_ID", w.ClientID, remedy) && hex64.MatchString(w.ClientID) {
		v.Problem("WORKFLOW_CLIENT_ID", "looks like a secret: WORKFLOW_CLIENT_ID and WORKFLOW_CLIENT_SECRET may be swapped")
	}
	if w.URL = v.Address("WORKFLOW_URL", v.text.URL); w.URL == nil {
		return nil
	}
	path := workflowPath.FindStringSubmatch(w.URL.Path)
	switch {
	case strings.HasSuffix(w.URL.Path, "/test"):
		v.Problem("WORKFLOW_URL", "ends with /test, which starts nothing: omit it")
	case path == nil:
		v.Problem("WORKFLOW_URL", "is not the address of an external trigger, which ends with /workflows/execute/external/ and the id of the workflow (or /workflows/v1/execute/external/…): copy it from the trigger's settings")
	case !address.Loopback(w.URL.Hostname()) && !apiHost.MatchString(strings.ToLower(w.URL.Hostname())):
		v.Problem("WORKFLOW_URL", "has a host that is not one of SailPoint's API, like acme.api.identitynow.com: copy it from the trigger's settings")
	default:
		w.BaseURL = &url.URL{Scheme: w.URL.Scheme, Host: w.URL.Host, Path: path[1]}
		return w
	}
	return nil
}

// choice reads which of two words a setting has, and whether it is the second one.
func (r *Reader) choice(setting, text, first, second string) bool {
	switch {
	case r.Reported(setting), strings.EqualFold(text, first):
		return false
	case strings.EqualFold(text, second):
		return true
	}
	r.Problemf(setting, "is %s: use %s or %s", shown(text), first, second)
	return false
}

// ownWorkflow reports a workflow of another tenant, to which reports and credentials must not go, and one
// of which nothing would be forwarded.
func ownWorkflow(r *Reader, sources []Source) {
	const setting = "WORKFLOW_URL"
	var workflow *Workflow
	var tenant *SailPoint
	received := false
	for _, s := range sources {
		switch s := s.(type) {
		case *SaaS:
			workflow, received = s.Workflow, true
		case *SailPoint:
			tenant = s
		}
	}
	found, _, _, set := r.find(r.names(setting))
	switch {
	case set && !received && (r.prefix == "" || found != setting):
		r.Problem(setting, "is set, but no reports are received that could be forwarded: set SAAS_WEBHOOK_SECRET, or remove it")
	case workflow == nil || tenant == nil || tenant.BaseURL.Host == "":
	case !strings.EqualFold(workflow.URL.Host, tenant.BaseURL.Host) || workflow.URL.Scheme != tenant.BaseURL.Scheme:
		r.Problem(setting, fmt.Sprintf("is at %q, but the tenant's API is at %q: reports are forwarded to a workflow of the same tenant only; with several connections, set it with the name of the connection in front, like ACME_%s",
			workflow.URL.Host, tenant.BaseURL.Host, setting))
	default:
		workflow.BaseURL = tenant.BaseURL
	}
}
