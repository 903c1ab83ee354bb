package okta

import (
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// proof is a DPoP proof that was verified.
type proof struct{ jkt, ath, nonce string }

// proofClaims are the claims of a proof.
type proofClaims struct {
	jwt.RegisteredClaims
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Hash   string `json:"ath"`
	Nonce  string `json:"nonce"`
}

// nonce is what the org has given out.
type nonce struct {
	text  string
	since time.Time
}

const (
	nonceLife = 24 * time.Hour
	nonceKept = 72 * time.Hour
	// proofAge is how far the clock of a client may be off.
	proofAge = 5 * time.Minute
)

// verifyProof reads the proof for a request and says what is wrong with it.
func (o *Org) verifyProof(headers []string, method, url string) (p proof, problem string) {
	if len(headers) != 1 {
		return p, "The DPoP proof JWT header is missing."
	}
	var claims proofClaims
	t, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(o.now), jwt.WithoutClaimsValidation()).
		ParseWithClaims(headers[0], &claims, func(t *jwt.Token) (any, error) {
			key, thumb, err := keyOf(t.Header["jwk"])
			p.jkt = thumb
			return key, err
		})
	if err != nil {
		return p, "The DPoP proof JWT is invalid."
	}
	now := o.now()
	switch {
	case t.Header["typ"] != "dpop+jwt":
		return p, "The DPoP proof JWT header must have the type dpop+jwt."
	case claims.Method != method:
		return p, "The DPoP proof JWT has an invalid 'htm'."
	case claims.URL != url:
		return p, "The DPoP proof JWT has an invalid 'htu'."
	case claims.IssuedAt == nil || claims.IssuedAt.Sub(now).Abs() > proofAge:
		return p, "The DPoP proof JWT has an invalid 'iat'."
	case !o.firstUse("proof/" + claims.ID):
		return p, "The DPoP proof JWT has an invalid 'jti'."
	}
	p.ath, p.nonce = claims.Hash, claims.Nonce
	return p, ""
}

// keyOf reads the public key of a proof, and its thumbprint (RFC 7638).
func keyOf(header any) (*rsa.PublicKey, string, error) {
	members, ok := header.(map[string]any)
	if !ok {
		return nil, "", errors.New("no jwk")
	}
	for name := range members {
		if slices.Contains([]string{"d", "p", "q", "dp", "dq", "qi", "k"}, name) {
			return nil, "", errors.New("the jwk has a private part")
		}
	}
	if members["kty"] != "RSA" {
		return nil, "", errors.New("not an RSA key")
	}
	text := func(name string) string { s, _ := members[name].(string); return s }
	n, err1 := base64.RawURLEncoding.DecodeString(text("n"))
	e, err2 := base64.RawURLEncoding.DecodeString(text("e"))
	if err := errors.Join(err1, err2); err != nil || len(n) < 256 || len(e) == 0 || len(e) > 4 {
		return nil, "", errors.New("not a key")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":"%s","kty":"RSA","n":"%s"}`, text("e"), text("n")))
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	return key, base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// hashOf is the ath of an access token.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// nonce is the newest nonce.
func (o *Org) nonce() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	list := o.auth.nonces
	if len(list) == 0 || now.Sub(list[len(list)-1].since) >= cmp.Or(o.App.NonceLife, nonceLife) {
		o.serial++
		list = append(list, nonce{fmt.Sprintf("nonce-%d-%x", o.serial, now.UnixNano()), now})
		o.auth.nonces = list
	}
	return list[len(list)-1].text
}

func (o *Org) knowsNonce(text string) bool {
	newest := o.nonce()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.App.StrictNonce {
		return text == newest
	}
	now := o.now()
	return slices.ContainsFunc(o.auth.nonces, func(n nonce) bool { return n.text == text && now.Sub(n.since) < nonceKept })
}
