package config_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

const (
	goodToken = "canary-webhook-token-4c1d"
	oldToken  = "canary-webhook-old-77aa"
)

func TestEventTriggers(t *testing.T) {
	for _, tc := range []struct {
		name    string
		set     map[string]string
		setting string // with the problem; "" for none
		says    string
	}{
		{"a token", map[string]string{"WEBHOOK_TOKEN": goodToken}, "", ""},
		{"two tokens", map[string]string{"WEBHOOK_TOKEN": goodToken, "WEBHOOK_TOKEN_PREVIOUS": oldToken}, "", ""},
		{"a user", map[string]string{"WEBHOOK_USERNAME": "sailpoint", "WEBHOOK_PASSWORD": goodToken}, "", ""},
		{"both", map[string]string{"WEBHOOK_TOKEN": goodToken, "WEBHOOK_USERNAME": "sailpoint", "WEBHOOK_PASSWORD": oldToken, "REQUEST_RESPONSE_ANSWER": "Refuse", "REQUEST_RESPONSE_APPROVER": "svc.sentinel"}, "", ""},
		{"a short token", map[string]string{"WEBHOOK_TOKEN": "canary-short"}, "WEBHOOK_TOKEN", "12 characters"},
		{"a token with a blank", map[string]string{"WEBHOOK_TOKEN": "canary with blanks 1234"}, "WEBHOOK_TOKEN", "can't be sent in a header"},
		{"a whole header", map[string]string{"WEBHOOK_TOKEN": "Bearer " + goodToken}, "WEBHOOK_TOKEN", "SailPoint adds itself"},
		{"only the previous token", map[string]string{"WEBHOOK_TOKEN_PREVIOUS": oldToken}, "WEBHOOK_TOKEN_PREVIOUS", "without WEBHOOK_TOKEN"},
		{"no password", map[string]string{"WEBHOOK_USERNAME": "sailpoint"}, "WEBHOOK_PASSWORD", "is missing"},
		{"no user", map[string]string{"WEBHOOK_PASSWORD": goodToken}, "WEBHOOK_USERNAME", "is missing"},
		{"a colon", map[string]string{"WEBHOOK_USERNAME": "sail:point", "WEBHOOK_PASSWORD": goodToken}, "WEBHOOK_USERNAME", "colon"},
		{"another answer", map[string]string{"WEBHOOK_TOKEN": goodToken, "REQUEST_RESPONSE_ANSWER": "approve"}, "REQUEST_RESPONSE_ANSWER", "use neutral or refuse"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := load(with(tc.set))
			if tc.setting == "" {
				if err != nil || l.EventTriggers() == nil {
					t.Fatalf("got %v, %+v", err, l.EventTriggers())
				}
				return
			}
			got := problems(t, err)
			if len(got) != 1 || got[0].Setting != tc.setting || !strings.Contains(got[0].Message, tc.says) || strings.Contains(got[0].Message, "canary") {
				t.Errorf("got %q, want one problem of %s that says %q", got, tc.setting, tc.says)
			}
		})
	}
}

// Each may be in a vault, where it is checked when it is read.
func TestHookSecretsInAVault(t *testing.T) {
	for setting, more := range map[string]map[string]string{
		"WEBHOOK_TOKEN":          nil,
		"WEBHOOK_TOKEN_PREVIOUS": {"WEBHOOK_TOKEN": goodToken},
		"WEBHOOK_PASSWORD":       {"WEBHOOK_USERNAME": "sailpoint"},
		"SAAS_WEBHOOK_SECRET":    nil,
	} {
		for _, value := range []string{"https://acme-kv.vault.azure.net/secrets/hook", "@Microsoft.KeyVault(VaultName=acme-kv;SecretName=hook)"} {
			set := map[string]string{setting: value}
			maps.Copy(set, more)
			s, err := config.Load(kinds(), config.Values("the environment", with(set)))
			if err != nil {
				t.Fatalf("%s: %v", setting, err)
			}
			var got secret.Value
			for _, one := range s.Connections[0].Sources {
				switch own := one.(type) {
				case *config.EventTriggers:
					got = map[string]secret.Value{"WEBHOOK_TOKEN": own.Token, "WEBHOOK_TOKEN_PREVIOUS": own.TokenPrevious, "WEBHOOK_PASSWORD": own.Password}[setting]
				case *config.SaaS:
					got = own.Secret
				}
			}
			if at, ok := got.Reference(); !ok || at.Setting != setting || at.Vault != "https://acme-kv.vault.azure.net" || at.Name != "hook" {
				t.Errorf("%s: %+v", setting, at)
			}
		}
	}
}

// Without any of these settings nothing is received.
func TestEventTriggersAreOff(t *testing.T) {
	l, err := load(with(map[string]string{"REQUEST_RESPONSE_ANSWER": "refuse"}))
	if err != nil || l.EventTriggers() != nil || len(l.Sources) != 1 {
		t.Errorf("got %v, sources %v", err, l.Sources)
	}
}

// A connection may receive without polling.
func TestOnlyEventTriggers(t *testing.T) {
	s, err := config.Load(kinds(), config.Values("the environment", with(map[string]string{
		"WEBHOOK_TOKEN": goodToken, "TENANT_ID": "-", "CLIENT_ID": "-", "CLIENT_SECRET": "-",
	})))
	if err != nil || len(s.Connections) != 1 || s.Connections[0].EventTriggers() == nil || s.Connections[0].Tenant == "" {
		t.Errorf("got %v, %+v", err, s.Connections)
	}
}
