package readback_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
)

// nobody is a credential without an identity behind it.
type nobody struct{}

func (nobody) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("Get \"http://127.0.0.1:1/msi?resource=canary\": connection refused\nAuthorization: canary")
}

// What a credential says has the remedy behind it, and shows no query and no request.
func TestNoToken(t *testing.T) {
	c := readback.New(readback.Config{
		URL: &url.URL{Scheme: "https", Host: "api.loganalytics.io"}, Audience: "https://api.loganalytics.io", WorkspaceID: "w",
		Credential: nobody{}, Retry: retry.Policy{MaxAttempts: 1},
	})
	_, err := c.Count(t.Context(), "SailPointIDN_Events", time.Now().Add(-time.Hour), time.Now(), time.Hour)
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"sign in for the workspace", "connection refused", "AZURE_CLIENT_ID"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nwant it to contain %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("shows what it must not: %v", err)
	}
}
