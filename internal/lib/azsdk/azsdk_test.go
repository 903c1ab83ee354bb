package azsdk_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
)

func TestText(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"plain":      {errors.New("no such host"), "no such host"},
		"url.Error":  {fmt.Errorf("ask: %w", &url.Error{Op: "Get", URL: "https://a/b?sig=canary", Err: errors.New("reset")}), "reset"},
		"credential": {errors.New(`Get "http://127.0.0.1:1/msi?resource=canary": connection refused. To troubleshoot, visit https://aka.ms/x?canary`), `Get "http://127.0.0.1:1/msi": connection refused`},
		"many lines": {errors.New("  first\nAuthorization: canary"), "first"},
		"long":       {errors.New(strings.Repeat("x", 400)), strings.Repeat("x", 300) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := azsdk.Text(tc.err); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	got := []string{azsdk.Status(&azcore.ResponseError{StatusCode: 403, ErrorCode: "AuthorizationFailure"}), azsdk.Status(&azcore.ResponseError{StatusCode: 404})}
	if diff := cmp.Diff([]string{"403 AuthorizationFailure", "404 Not Found"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is set stays.
func TestClientOptions(t *testing.T) {
	got := azsdk.ClientOptions(policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1, RetryDelay: time.Millisecond}})
	want := policy.RetryOptions{MaxRetries: -1, TryTimeout: 15 * time.Second, RetryDelay: time.Millisecond, MaxRetryDelay: 5 * time.Second}
	if got.Retry.MaxRetries != want.MaxRetries || got.Retry.TryTimeout != want.TryTimeout || got.Retry.RetryDelay != want.RetryDelay || got.Retry.MaxRetryDelay != want.MaxRetryDelay {
		t.Errorf("%+v, want %+v", got.Retry, want)
	}
}

type without struct{}

func (without) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, context.Canceled
}

func TestMarked(t *testing.T) {
	_, err := azsdk.Marked{TokenCredential: without{}}.GetToken(t.Context(), policy.TokenRequestOptions{})
	var token *azsdk.TokenError
	if !errors.As(err, &token) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want a TokenError around what the credential says", err)
	}
}
