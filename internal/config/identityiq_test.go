package config_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

func TestIdentityIQ(t *testing.T) {
	const reported = "canary-iiq-secret"
	for name, c := range map[string]struct {
		change  map[string]string
		setting string // with a problem; "" for none
		says    string
		base    string
		streams []string
	}{
		"sound":           {nil, "", "", "https://iiq.acme.example/identityiq", []string{"audit", "tasks", "violations", "alerts"}},
		"trailing_slash":  {map[string]string{"IIQ_URL": "https://iiq.acme.example/identityiq/"}, "", "", "https://iiq.acme.example/identityiq", nil},
		"another_context": {map[string]string{"IIQ_URL": "https://iiq.acme.example:8443/iiq8.3"}, "", "", "https://iiq.acme.example:8443/iiq8.3", nil},
		"streams":         {map[string]string{"IIQ_STREAMS": "Alerts, syslog"}, "", "", "", []string{"syslog", "alerts"}},
		"no_url":          {map[string]string{"IIQ_URL": ""}, "IIQ_URL", "or remove IIQ_CLIENT_ID", "", nil},
		"no_scheme":       {map[string]string{"IIQ_URL": "iiq.acme.example/identityiq"}, "IIQ_URL", "https://", "", nil},
		"plain_http":      {map[string]string{"IIQ_URL": "http://iiq.acme.example/identityiq"}, "IIQ_URL", "http", "", nil},
		"call":            {map[string]string{"IIQ_URL": "https://iiq.acme.example/identityiq/oauth2/token"}, "IIQ_URL", "https://iiq.acme.example/identityiq", "", nil},
		"page":            {map[string]string{"IIQ_URL": "https://iiq.acme.example/identityiq/login.jsf"}, "IIQ_URL", "path of a page or a call", "", nil},
		"scim":            {map[string]string{"IIQ_URL": "https://iiq.acme.example/identityiq/scim/v2/"}, "IIQ_URL", "path of a page or a call", "", nil},
		"no_client":       {map[string]string{"IIQ_CLIENT_ID": ""}, "IIQ_CLIENT_ID", "API Authentication", "", nil},
		"colon":           {map[string]string{"IIQ_CLIENT_ID": "a:b"}, "IIQ_CLIENT_ID", "colon", "", nil},
		"no_secret":       {map[string]string{"IIQ_CLIENT_SECRET": ""}, "IIQ_CLIENT_SECRET", "is missing", "", nil},
		"unknown_stream":  {map[string]string{"IIQ_STREAMS": "audit,logins"}, "IIQ_STREAMS", "audit, syslog, tasks, violations, alerts", "", nil},
		"empty_name":      {map[string]string{"IIQ_STREAMS": "audit,,tasks"}, "IIQ_STREAMS", "commas between", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			set := map[string]string{
				"IIQ_URL": "https://iiq.acme.example/identityiq", "IIQ_CLIENT_ID": "sentinel", "IIQ_CLIENT_SECRET": reported,
				"INGESTION_API": "NDJSON", "STATE_URL": "file:///tmp/state",
			}
			for setting, value := range c.change {
				set[setting] = value
			}
			s, err := load(set) // without a tenant: IdentityIQ may be alone
			if c.setting != "" {
				list := problems(t, err)
				if len(list) != 1 || list[0].Setting != c.setting || !strings.Contains(list[0].Message, c.says) || strings.Contains(list[0].Message, reported) {
					t.Errorf("problems %+v, want one with %s that says %q", list, c.setting, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			own := s.Connections[0].Sources[0].(*config.IdentityIQ) //nolint:forcetypeassert // a test
			if c.base != "" && own.BaseURL.String() != c.base {
				t.Errorf("address %s, want %s", own.BaseURL, c.base)
			}
			if diff := cmp.Diff(c.streams, own.Streams); c.streams != nil && diff != "" {
				t.Errorf("streams (-want +got):\n%s", diff)
			}
			if s.Connections[0].Tenant == "" {
				t.Error("the state has no name")
			}
		})
	}
}

// A client without a server is a mistake, and several connections may share one client.
func TestIdentityIQClientWithoutServer(t *testing.T) {
	two := func(change map[string]string) map[string]string {
		env := valid()
		delete(env, "TENANT_ID")
		maps.Copy(env, map[string]string{"CONNECTIONS": "acme,globex", "ACME_TENANT_ID": "acme", "GLOBEX_TENANT_ID": "globex", "LEGACY_CHECKPOINT": "off"})
		maps.Copy(env, change)
		return env
	}
	one := valid()
	one["IIQ_CLIENT_SECRET"] = "canary-iiq-secret"
	for name, c := range map[string]struct {
		set  map[string]string
		want []string // the settings with problems
	}{
		"beside a tenant":           {one, []string{"IIQ_URL", "IIQ_CLIENT_ID"}},
		"shared, one has a server":  {two(map[string]string{"IIQ_CLIENT_ID": "sentinel", "IIQ_CLIENT_SECRET": "canary-iiq-secret", "ACME_IIQ_URL": "https://iiq.acme.example/identityiq"}), nil},
		"shared, none has a server": {two(map[string]string{"IIQ_CLIENT_ID": "sentinel"}), []string{"IIQ_CLIENT_ID"}},
		"of one connection":         {two(map[string]string{"GLOBEX_IIQ_CLIENT_ID": "sentinel", "IIQ_CLIENT_SECRET": "canary-iiq-secret"}), []string{"GLOBEX_IIQ_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(c.set)
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var got []string
			for _, p := range problems(t, err) {
				got = append(got, p.Setting)
				if strings.Contains(p.Message, "canary") {
					t.Errorf("%v shows a secret", p)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("settings with problems (-want +got):\n%s", diff)
			}
		})
	}
}
