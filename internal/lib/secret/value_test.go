package secret_test

import (
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Two settings hold the same if they come to the same secret, read by the same identity: another
// one may not be allowed to read it.
func TestEqualValues(t *testing.T) {
	at := secret.Reference{Setting: "ACME_SHARED_KEY", Vault: "https://v.vault.azure.net", Name: "key", Identity: entra.Identity{Managed: "one"}}
	other, version, identity := at, at, at
	other.Setting = "GLOBEX_SHARED_KEY"
	directory := at
	directory.Identity.Directory, directory.Identity.App = "there", "app"
	version.Version = "0123456789abcdef0123456789abcdef"
	identity.Identity.Managed = "another"
	for name, c := range map[string]struct {
		a, b secret.Value
		want bool
	}{
		"the same text":     {secret.Plain("x"), secret.Plain("x"), true},
		"another text":      {secret.Plain("x"), secret.Plain("y"), false},
		"text and address":  {secret.Plain(at.ID()), secret.Kept(at), false},
		"in other settings": {secret.Kept(at), secret.Kept(other), true},
		"another version":   {secret.Kept(at), secret.Kept(version), false},
		"another directory": {secret.Kept(at), secret.Kept(directory), false},
		"another identity":  {secret.Kept(at), secret.Kept(identity), false},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
