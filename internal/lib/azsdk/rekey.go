package azsdk

import (
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// Rekey is a policy for each call of a client that signs with an account's key. It gives the
// key to the credential when it is needed, and again when the account refuses it and it has
// been replaced where it is kept.
type Rekey struct {
	Key secret.Keeper
	// Set gives a key in base64 to the credential.
	Set func(key string) error
}

// KeyError says that there is no key to sign with.
type KeyError struct{ err error }

func (e *KeyError) Error() string { return e.err.Error() }
func (e *KeyError) Unwrap() error { return e.err }

// Do implements [policy.Policy].
func (r Rekey) Do(req *policy.Request) (*http.Response, error) {
	ctx := req.Raw().Context()
	key, err := r.Key.Get(ctx)
	if err == nil {
		err = r.Set(key.Reveal())
	}
	if err != nil {
		return nil, &KeyError{err}
	}
	resp, err := req.Next()
	if err != nil || resp.StatusCode != http.StatusForbidden || !refusesKey(resp.Header.Get("x-ms-error-code")) {
		return resp, err
	}
	next, failed := r.Key.Renew(ctx, key)
	if failed != nil || next.Reveal() == key.Reveal() || r.Set(next.Reveal()) != nil || req.RewindBody() != nil {
		return resp, nil //nolint:nilerr // the refusal says more
	}
	transport.Discard(resp)
	return req.Next()
}

// refusesKey reports whether an error code may mean a wrong key. Storage says
// AuthenticationFailed; network rules, and Azurite for a wrong key, say AuthorizationFailure.
func refusesKey(code string) bool {
	return code == "AuthenticationFailed" || code == "AuthorizationFailure"
}

// WithKey adds a [Rekey] to the options of a client, unless the key never changes.
func WithKey(o *policy.ClientOptions, key secret.Keeper, set func(string) error) {
	if _, fixed := secret.Fixed(key); !fixed {
		o.PerCallPolicies = append(o.PerCallPolicies[:len(o.PerCallPolicies):len(o.PerCallPolicies)], Rekey{key, set})
	}
}
