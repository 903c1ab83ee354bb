// Package entra says who signs in for something in Azure, and in which directory of Microsoft
// Entra ID.
//
// A managed identity exists in the directory of its subscription only. To get into another
// directory, its token is exchanged there for one of a multi-tenant app registration, which
// trusts the managed identity by a federated credential; no secret is involved
// (docs/adr/0043-an-identity-for-each-workspace.md).
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
package entra

import (
	"fmt"
	"strings"
)

// Identity is who signs in. The zero value is the system-assigned identity of the function app.
type Identity struct {
	// Managed is the client ID of a user-assigned managed identity; "" means the
	// system-assigned one.
	Managed string
	// Directory and App are both set if the managed identity signs in to another directory: as
	// the multi-tenant app registration App, in the directory Directory.
	Directory, App string
}

// Abroad reports whether the identity signs in to another directory than its own.
func (i Identity) Abroad() bool { return i.Directory != "" }

// Home is the managed identity itself, which everything of the function app accepts.
func (i Identity) Home() Identity { return Identity{Managed: i.Managed} }

// Is reports whether the identity signs in to this directory as an app.
func (i Identity) Is(directory string) bool {
	return i.Abroad() && strings.EqualFold(i.Directory, directory)
}

// String describes an identity that signs in to another directory, or the managed one.
func (i Identity) String() string {
	switch {
	case i.Abroad():
		return fmt.Sprintf("the app %s (WORKSPACE_APP_ID) in the directory %s (WORKSPACE_DIRECTORY_ID)", i.App, i.Directory)
	case i.Managed != "":
		return fmt.Sprintf("the managed identity %s (AZURE_CLIENT_ID)", i.Managed)
	}
	return "the system-assigned managed identity"
}

// Login is what a person runs who signs in on a machine without a managed identity.
func (i Identity) Login() string {
	if i.Abroad() {
		return "az login --tenant " + i.Directory
	}
	return "az login"
}

// Key is equal for the same identities only.
func (i Identity) Key() string { return i.Managed + "\n" + i.Directory + "\n" + i.App }
