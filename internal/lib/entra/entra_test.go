package entra_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
)

func TestIdentity(t *testing.T) {
	there := entra.Identity{Managed: "m", Directory: "d", App: "a"}
	got := []any{
		there.Abroad(), there.Is("D"), there.Is("other"), there.Home(), there.Home().Abroad(), there.Home().Is(""), there.Key() == there.Home().Key(),
		there.String(), there.Home().String(), entra.Identity{}.String(), there.Login(), entra.Identity{}.Login(),
	}
	want := []any{
		true, true, false,
		entra.Identity{Managed: "m"},
		false, false, false,
		"the app a (WORKSPACE_APP_ID) in the directory d (WORKSPACE_DIRECTORY_ID)", "the managed identity m (AZURE_CLIENT_ID)", "the system-assigned managed identity",
		"az login --tenant d", "az login",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
