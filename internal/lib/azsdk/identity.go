package azsdk

import (
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Identity signs in as the function app's managed identity, or, outside Azure, as [Person]. The
// zero cloud is the one of AZURE_AUTHORITY_HOST, or the public one.
func Identity(clientID string, where cloud.Configuration) (azcore.TokenCredential, error) {
	if os.Getenv("IDENTITY_ENDPOINT") == "" {
		return Person(where)
	}
	o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{Cloud: where, Transport: NewTransport()}}
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
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: azcore.ClientOptions{Cloud: where, Transport: NewTransport()},
	})
	if err != nil {
		return nil, err
	}
	return Marked{TokenCredential: credential}, nil
}
