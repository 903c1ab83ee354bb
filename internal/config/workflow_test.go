package config_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

const (
	flowURL    = "https://acme.api.identitynow.com/beta/workflows/execute/external/d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d"
	flowSecret = "canary-workflow-secret-5d2e"
)

func workflowOf(c config.Connection) *config.Workflow {
	for _, s := range c.Sources {
		if own, ok := s.(*config.SaaS); ok {
			return own.Workflow
		}
	}
	return nil
}

func TestWorkflow(t *testing.T) {
	good := map[string]string{"SAAS_WEBHOOK_SECRET": goodToken, "WORKFLOW_URL": flowURL, "WORKFLOW_CLIENT_ID": "e1ff7bb24c934240bbf55e1aa39e41c5", "WORKFLOW_CLIENT_SECRET": flowSecret}
	const upTo = "https://acme.api.identitynow.com"
	for name, tc := range map[string]struct {
		set     map[string]string
		setting string // with the problem; "" for none
		says    string
	}{
		"all":                  {nil, "", ""},
		"the current path":     {map[string]string{"WORKFLOW_URL": upTo + "/workflows/v1/execute/external/d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d/"}, "", ""},
		"host in capitals":     {map[string]string{"WORKFLOW_URL": strings.Replace(flowURL, "acme", "ACME", 1)}, "", ""},
		"each row, repeated":   {map[string]string{"WORKFLOW_INPUT": "Row", "WORKFLOW_IN_DOUBT": "repeat"}, "", ""},
		"a vault":              {map[string]string{"WORKFLOW_CLIENT_SECRET": "https://acme-kv.vault.azure.net/secrets/workflow"}, "", ""},
		"no client":            {map[string]string{"WORKFLOW_CLIENT_ID": ""}, "WORKFLOW_CLIENT_ID", "external trigger"},
		"no secret":            {map[string]string{"WORKFLOW_CLIENT_SECRET": ""}, "WORKFLOW_CLIENT_SECRET", "external trigger"},
		"no address":           {map[string]string{"WORKFLOW_URL": ""}, "WORKFLOW_URL", "copy it"},
		"the test's":           {map[string]string{"WORKFLOW_URL": flowURL + "/test"}, "WORKFLOW_URL", "omit it"},
		"not a trigger's":      {map[string]string{"WORKFLOW_URL": upTo + "/v3/search"}, "WORKFLOW_URL", "not the address of an external trigger"},
		"without the id":       {map[string]string{"WORKFLOW_URL": upTo + "/beta/workflows/execute/external/"}, "WORKFLOW_URL", "not the address of an external trigger"},
		"another tenant's":     {map[string]string{"WORKFLOW_URL": strings.Replace(flowURL, "acme", "globex", 1)}, "WORKFLOW_URL", `is at "globex.api.identitynow.com", but the tenant's API is at "acme.api.identitynow.com": reports are forwarded to a workflow of the same tenant only`},
		"another host":         {map[string]string{"WORKFLOW_URL": strings.Replace(flowURL, "acme.api.identitynow.com", "evil.example", 1)}, "WORKFLOW_URL", "not one of SailPoint's API"},
		"plain HTTP":           {map[string]string{"WORKFLOW_URL": strings.Replace(flowURL, "https", "http", 1)}, "WORKFLOW_URL", "use https"},
		"a user in it":         {map[string]string{"WORKFLOW_URL": strings.Replace(flowURL, "acme", "canary:canary@acme", 1)}, "WORKFLOW_URL", "user name"},
		"a query":              {map[string]string{"WORKFLOW_URL": flowURL + "?token=canary"}, "WORKFLOW_URL", "query"},
		"another port":         {map[string]string{"WORKFLOW_URL": strings.Replace(flowURL, ".com", ".com:8443", 1)}, "WORKFLOW_URL", "same tenant only"},
		"swapped":              {map[string]string{"WORKFLOW_CLIENT_ID": strings.Repeat("0123456789abcdef", 4)}, "WORKFLOW_CLIENT_ID", "swapped"},
		"another input":        {map[string]string{"WORKFLOW_INPUT": "rows"}, "WORKFLOW_INPUT", "use report or row"},
		"another way of doubt": {map[string]string{"WORKFLOW_IN_DOUBT": "drop"}, "WORKFLOW_IN_DOUBT", "use keep or repeat"},
		"no reports":           {map[string]string{"SAAS_WEBHOOK_SECRET": ""}, "WORKFLOW_URL", "SAAS_WEBHOOK_SECRET"},
	} {
		t.Run(name, func(t *testing.T) {
			set := maps.Clone(good)
			maps.Copy(set, tc.set)
			s, err := config.Load(kinds(), config.Values("the environment", with(set)))
			if tc.setting != "" {
				got := problems(t, err)
				if len(got) != 1 || got[0].Setting != tc.setting || !strings.Contains(got[0].Message, tc.says) || strings.Contains(got[0].Message, "canary") {
					t.Errorf("got %q, want one problem of %s that says %q", got, tc.setting, tc.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w := workflowOf(s.Connections[0])
			if w == nil || w.BaseURL.String() != upTo || w.ClientID == "" || w.ClientSecret.IsZero() || w.ByRow != (tc.set["WORKFLOW_INPUT"] != "") || w.Repeat != (tc.set["WORKFLOW_IN_DOUBT"] != "") {
				t.Errorf("%+v", w)
			}
		})
	}
}

// With several connections a workflow belongs to one of them.
func TestWorkflowOfAConnection(t *testing.T) {
	env := with(map[string]string{
		"CONNECTIONS": "acme,globex", "GLOBEX_TENANT_ID": "globex", "GLOBEX_CLIENT_ID": "9b4b3f9c-3c1c-4a53-9d1e-6f8b8b1f5a11", "GLOBEX_CLIENT_SECRET": "x", "ACME_TENANT_ID": "acme",
		"SAAS_WEBHOOK_SECRET": goodToken, "ACME_WORKFLOW_URL": flowURL, "ACME_WORKFLOW_CLIENT_ID": "e1ff7bb24c934240bbf55e1aa39e41c5", "ACME_WORKFLOW_CLIENT_SECRET": flowSecret,
	})
	s, err := config.Load(kinds(), config.Values("the environment", env))
	if err != nil {
		t.Fatal(err)
	}
	if workflowOf(s.Connections[0]) == nil || workflowOf(s.Connections[1]) != nil {
		t.Errorf("%+v, %+v", workflowOf(s.Connections[0]), workflowOf(s.Connections[1]))
	}
	env["WORKFLOW_URL"], env["WORKFLOW_CLIENT_ID"], env["WORKFLOW_CLIENT_SECRET"] = env["ACME_WORKFLOW_URL"], env["ACME_WORKFLOW_CLIENT_ID"], flowSecret
	delete(env, "ACME_WORKFLOW_URL")
	delete(env, "ACME_WORKFLOW_CLIENT_ID")
	delete(env, "ACME_WORKFLOW_CLIENT_SECRET")
	_, err = config.Load(kinds(), config.Values("the environment", env))
	if got := problems(t, err); len(got) != 1 || !strings.Contains(got[0].Message, "same tenant only") {
		t.Errorf("got %q, want that it is not one of globex", got)
	}
}
