package azsdk

import (
	"os"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
)

// Identities are the credentials of a process: one for each identity and cloud, which caches its
// tokens for all who need them. The zero value is ready for use.
type Identities struct {
	// Person is set if the managed identity is not on this machine: then a person signs in, as
	// with [Person].
	Person bool
	// Transport sends the requests; nil means [NewTransport].
	Transport policy.Transporter

	mu  sync.Mutex
	all map[credentialKey]azcore.TokenCredential
}

type credentialKey struct {
	who       entra.Identity
	authority string
}

// Credential returns the credential of an identity in a cloud. It sends nothing. The zero cloud is the
// one of AZURE_AUTHORITY_HOST, or the public one.
func (s *Identities) Credential(who entra.Identity, where cloud.Configuration) (azcore.TokenCredential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := credentialKey{who, where.ActiveDirectoryAuthorityHost}
	if known, ok := s.all[key]; ok {
		return known, nil
	}
	credential, err := s.open(who, where)
	if err != nil {
		return nil, err
	}
	if s.all == nil {
		s.all = map[credentialKey]azcore.TokenCredential{}
	}
	s.all[key] = credential
	return credential, nil
}

// open signs in as the function app's managed identity or, outside Azure, as a person.
func (s *Identities) open(who entra.Identity, where cloud.Configuration) (azcore.TokenCredential, error) {
	o := azcore.ClientOptions{Cloud: where, Transport: s.Transport}
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	switch {
	case s.Person || !managedHere():
		return person(o, who.Directory)
	case who.Abroad():
		return abroad(who, o)
	}
	return managed(who.Managed, o)
}

// managedHere reports whether this process has a managed identity: the platform says so, or
// the operator of a machine of Azure's does, in the words of the SDK.
func managedHere() bool {
	return os.Getenv("IDENTITY_ENDPOINT") != "" || strings.EqualFold(os.Getenv("AZURE_TOKEN_CREDENTIALS"), "ManagedIdentityCredential")
}

func managed(clientID string, client azcore.ClientOptions) (azcore.TokenCredential, error) {
	o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: client}
	if clientID != "" {
		o.ID = azidentity.ClientID(clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(o)
	if err != nil {
		return nil, err
	}
	return Marked{TokenCredential: credential}, nil
}

// Person signs in with the credentials of the environment, the Azure CLI or another tool of Azure's
// that a person is signed in to.
func Person(where cloud.Configuration) (azcore.TokenCredential, error) {
	return person(azcore.ClientOptions{Cloud: where, Transport: NewTransport()}, "")
}

// person signs in to a directory; "" is the person's own one.
func person(client azcore.ClientOptions, directory string) (azcore.TokenCredential, error) {
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: client, TenantID: directory})
	if err != nil {
		return nil, err
	}
	return Marked{TokenCredential: credential}, nil
}
