package signkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/signkey"
)

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

func b64(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

func jwkOf(t *testing.T, members map[string]string) string {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func rsaJWK(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	return jwkOf(t, map[string]string{"kty": "RSA", "kid": "k1", "n": b64(key.N), "e": b64(big.NewInt(int64(key.E))), "d": b64(key.D), "p": b64(key.Primes[0]), "q": b64(key.Primes[1])})
}

func TestParse(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := curve.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := pkcs8(t, key)
	for name, test := range map[string]struct{ text, id, alg string }{
		"PKCS 8":             {text, "", "RS256"},
		"lines spelt out":    {strings.ReplaceAll(text, "\n", `\n`), "", "RS256"},
		"lines are blanks":   {strings.ReplaceAll(text, "\n", " "), "", "RS256"},
		"without line ends":  {strings.ReplaceAll(text, "\n", ""), "", "RS256"},
		"Windows":            {strings.ReplaceAll(text, "\n", "\r\n"), "", "RS256"},
		"PKCS 1":             {string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), "", "RS256"},
		"EC":                 {pkcs8(t, curve), "", "ES256"},
		"EC in SEC 1":        {string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), "", "ES256"},
		"JWK":                {rsaJWK(t, key), "k1", "RS256"},
		"a set with one JWK": {`{"keys":[` + rsaJWK(t, key) + `]}`, "k1", "RS256"},
		"EC JWK":             {jwkOf(t, map[string]string{"kty": "EC", "crv": "P-256", "kid": "e", "d": base64.RawURLEncoding.EncodeToString(scalar)}), "e", "ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := signkey.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != test.id || got.Method.Alg() != test.alg {
				t.Errorf("id %q, algorithm %s", got.ID, got.Method.Alg())
			}
			signed, err := got.Sign(jwt.NewWithClaims(got.Method, jwt.MapClaims{"a": "b"}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jwt.Parse(signed, func(*jwt.Token) (any, error) { return got.Public(), nil }); err != nil {
				t.Error(err)
			}
			if shown := fmt.Sprintf("%v %+v %#v %s", got, got, got, got); strings.Contains(shown, key.D.String()) || len(shown) > 100 {
				t.Errorf("printed it shows %.100s", shown)
			}
		})
	}
}

func TestParseSaysWhatItIs(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // too small is what is tested
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"secret":      {"canary-secret", "neither PEM"},
		"file name":   {"/home/me/key.pem", "neither PEM"},
		"public PEM":  {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "public key"},
		"certificate": {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate"},
		"encrypted":   {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----", "pass phrase"},
		"OpenSSH":     {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "PKCS #8"},
		"cut":         {"-----BEGIN PRIVATE KEY-----\nAAAA", "last line"},
		"damaged":     {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "damaged"},
		"not base64":  {"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----", "base64"},
		"SSH":         {"ssh-rsa AAAA", "SSH public key"},
		"public JWK":  {`{"kty":"RSA","n":"AQAB","e":"AQAB"}`, "public JWK"},
		"damaged JWK": {`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"canary"}`, "numbers"},
		"cut JWK":     {`{"kty":"RSA"`, "valid JSON"},
		"other JSON":  {`{"clientId":"x"}`, "RSA or EC"},
		"other curve": {`{"kty":"EC","crv":"secp256k1","d":"AQAB"}`, "curve"},
		"too small":   {pkcs8(t, key), "1024 bits"},
	} {
		_, err := signkey.Parse(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
	f.Add(`{"kty":"EC","crv":"P-256","d":"AQAB"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := signkey.Parse(text); (key == nil) == (err == nil) {
			t.Errorf("%v, %v", key, err)
		}
	})
}
