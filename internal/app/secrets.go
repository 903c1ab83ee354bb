package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// newVaults returns the vaults that all connections share. It sends nothing. Their clocks
// are not compared with this machine's: nothing depends on them.
func newVaults(o Options) *keyvault.Vaults {
	client := o.HTTP
	if client == nil {
		client = transport.NewClient(transport.Config{Version: version.String()})
	}
	cfg := keyvault.Config{Credential: func(who entra.Identity, in cloud.Configuration) (azcore.TokenCredential, error) {
		if o.Credential != nil {
			return o.Credential, nil
		}
		return o.identities.Credential(who, in)
	}}
	cfg.ClientOptions.Transport = transport.NoRedirects(client) // a token must not go elsewhere
	return keyvault.New(cfg)
}

// keeper returns the keeper of a secret setting. Every adapter that needs a secret gets it
// this way.
func (o Options) keeper(setting secret.Value) secret.Keeper {
	k := o.vaults.Keeper(setting)
	if s, ok := k.(*keyvault.Secret); ok && o.keeps != nil {
		o.keeps(s)
	}
	if o.keepers != nil {
		o.keepers.add(k)
	}
	return k
}

// checkSecrets reads the secrets that the adapters opened so far need from their vaults, and
// reports each once.
func (c *checkup) checkSecrets(ctx context.Context) {
	for _, s := range c.kept {
		at := s.At()
		if c.reported[at.Setting] {
			continue
		}
		c.reported[at.Setting] = true
		c.Try(ctx, "secret "+at.Setting, func(ctx context.Context) (string, error) {
			now, err := s.Check(ctx)
			if err != nil {
				return "", err
			}
			return described(at, now, time.Now()), nil
		})
	}
}

// described says what is known about a secret, but not the secret.
func described(at secret.Reference, now keyvault.State, today time.Time) string {
	text := fmt.Sprintf("read from the secret %s of the vault %s", at.Name, at.Vault)
	if now.Version != "" {
		text += ", version " + now.Version
	}
	if !now.Updated.IsZero() {
		text += ", stored at " + now.Updated.UTC().Format(time.RFC3339)
	}
	text += ", read at " + now.Read.UTC().Format(time.RFC3339)
	switch {
	case now.Expires.IsZero():
	case now.Expires.Before(today):
		text += fmt.Sprintf("; its expiry date, %s, has passed: the vault still gives it out, but is it still valid?", now.Expires.UTC().Format(time.DateOnly))
	default:
		text += "; it expires on " + now.Expires.UTC().Format(time.DateOnly)
	}
	if at.Version != "" {
		text += "; the setting names this version, so it does not follow a rotation"
	}
	return text
}

// references describes the settings of a connection that refer to secrets in a vault; "" if
// there are none.
func (c *checkup) references() string {
	var list []string
	add := func(at secret.Reference) {
		list = append(list, fmt.Sprintf("%s is the %s", at.Setting, at))
	}
	for _, s := range c.kept {
		add(s.At())
	}
	values := []secret.Value{c.settings.State.Account.Key}
	if c.connection.IngestionAPI == config.UseDataCollector {
		values = append(values, c.connection.DataCollector.SharedKey, c.connection.DataCollector.Secondary)
	}
	for _, v := range values {
		if at, ok := v.Reference(); ok {
			add(at)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, "; ") + ": read when needed, and again when refused"
}
