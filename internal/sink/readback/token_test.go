package readback_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// somebody is a credential that works.
type somebody struct{}

const canaryToken = "canary-token-0f7be1c23d"

func (somebody) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: canaryToken, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// repeating answers with an error, in the service's own form, that repeats the token.
type repeating int

func (status repeating) RoundTrip(req *http.Request) (*http.Response, error) {
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	body := fmt.Sprintf(`{"error":{"code":"BadArgumentError","message":"token %s","details":[{"code":"X","message":"%s"}],"innererror":{"code":"%s","message":"m"}}}`,
		token, base64.StdEncoding.EncodeToString([]byte(token)), token)
	return &http.Response{StatusCode: int(status), Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: req}, nil
}

// An answer that repeats the token does not make an error show it.
func TestTokenInAnswers(t *testing.T) {
	for _, status := range []int{200, 400, 401, 403, 404, 429, 500} {
		c := readback.New(readback.Config{
			URL: &url.URL{Scheme: "https", Host: "api.loganalytics.io"}, Audience: "https://api.loganalytics.io", WorkspaceID: "w",
			Credential: somebody{}, Retry: retry.Policy{MaxAttempts: 1}, HTTP: &http.Client{Transport: repeating(status)},
		})
		_, err := c.Count(t.Context(), "SailPointIDN_Events", time.Now().Add(-time.Hour), time.Now(), time.Hour)
		if err == nil || !strings.Contains(err.Error(), "BadArgumentError") {
			t.Errorf("status %d: %v", status, err)
			continue
		}
		for _, form := range []string{canaryToken, base64.StdEncoding.EncodeToString([]byte(canaryToken))} {
			if strings.Contains(err.Error(), form) {
				t.Errorf("status %d: the token is shown: %v", status, err)
			}
		}
	}
}
