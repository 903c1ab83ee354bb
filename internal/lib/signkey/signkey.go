// Package signkey reads private keys that sign tokens, in the forms in which people paste them into
// settings: PEM, also with its line breaks lost or spelt out, and JWK.
package signkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// Key is a private key. Printing it shows nothing of it.
type Key struct {
	// ID is the key's id, if the text has one.
	ID string
	// Method is the algorithm that the key signs with.
	Method jwt.SigningMethod
	signer crypto.Signer
}

// Sign signs a token, with a header that names the key if it has an id.
func (k *Key) Sign(t *jwt.Token) (string, error) {
	if k.ID != "" {
		t.Header["kid"] = k.ID
	}
	return t.SignedString(k.signer)
}

// Format implements [fmt.Formatter].
func (k *Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("private key " + k.ID)) }

// Public is the public part of the key.
func (k *Key) Public() crypto.PublicKey { return k.signer.Public() }

// Parse reads a key. The error says what the text is instead, and shows nothing of it.
func Parse(text string) (*Key, error) {
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "{"):
		return parseJWK([]byte(text))
	case strings.Contains(text, "-----BEGIN "):
		return parsePEM(text)
	case strings.HasPrefix(text, "ssh-"):
		return nil, errors.New("is an SSH public key: use the private key of the app as PEM (-----BEGIN PRIVATE KEY-----) or JWK")
	}
	return nil, errors.New("is neither PEM (-----BEGIN PRIVATE KEY-----) nor a JWK ({\"kty\":…}): a client secret or a file name does not work, paste the private key itself")
}

// parsePEM reads PEM whose line breaks may be blanks, missing, or written as \n.
func parsePEM(text string) (*Key, error) {
	text = strings.NewReplacer(`\r`, "", `\n`, "\n").Replace(text)
	_, rest, _ := strings.Cut(text, "-----BEGIN ")
	label, body, found := strings.Cut(rest, "-----")
	body, _, ended := strings.Cut(body, "-----END "+label+"-----")
	if !found || !ended {
		return nil, errors.New("is PEM without its last line (-----END …-----): paste the whole key")
	}
	switch {
	case strings.Contains(label, "PUBLIC"), strings.Contains(label, "CERTIFICATE"):
		return nil, fmt.Errorf("is a %s: use the private key that belongs to it", strings.ToLower(label))
	case strings.Contains(label, "ENCRYPTED"), strings.Contains(body, "ENCRYPTED"):
		return nil, errors.New("is encrypted with a pass phrase: remove it (openssl pkey -in key.pem -out plain.pem), and keep the result in Key Vault")
	case !strings.Contains(label, "PRIVATE KEY"), strings.Contains(label, "OPENSSH"):
		return nil, errors.New("is PEM, but not a private key in the form PKCS #8 or PKCS #1: use the one that Okta shows, or convert it with openssl pkey")
	}
	compact := strings.Join(strings.Fields(body), "")
	var b strings.Builder
	fmt.Fprintf(&b, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, compact, label)
	block, _ := pem.Decode([]byte(b.String()))
	if block == nil {
		return nil, errors.New("is PEM with characters that are not base64: paste the key again")
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return newKey(key, "", "")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return newKey(key, "", "")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return newKey(key, "", "")
	}
	return nil, errors.New("is PEM, but what it holds is damaged or not an RSA or EC key: paste the key again")
}

// jwk is a JSON Web Key.
type jwk struct {
	Type  string `json:"kty"`
	ID    string `json:"kid"`
	Alg   string `json:"alg"`
	Curve string `json:"crv"`
	N     string `json:"n"`
	E     string `json:"e"`
	D     string `json:"d"`
	P     string `json:"p"`
	Q     string `json:"q"`
	X     string `json:"x"`
	Y     string `json:"y"`
	Keys  []jwk  `json:"keys"`
}

func parseJWK(text []byte) (*Key, error) {
	var k jwk
	if json.Unmarshal(text, &k) != nil {
		return nil, errors.New("looks like a JWK, but is not valid JSON: paste the key again")
	}
	if len(k.Keys) > 0 { // a set of keys
		if len(k.Keys) > 1 {
			return nil, errors.New("is a set of several keys: keep the one that the app uses")
		}
		k = k.Keys[0]
	}
	switch {
	case k.Type != "RSA" && k.Type != "EC":
		return nil, errors.New("is JSON, but not a JWK of the type RSA or EC")
	case k.D == "":
		return nil, errors.New("is a public JWK: use the private key, which has a member d")
	case k.Type == "RSA":
		return k.rsa()
	}
	return k.ec()
}

var errDamaged = errors.New("is a JWK whose numbers do not fit each other: paste the key again")

func (k jwk) rsa() (*Key, error) {
	n, err1 := number(k.N)
	e, err2 := number(k.E)
	d, err3 := number(k.D)
	p, err4 := number(k.P)
	q, err5 := number(k.Q)
	if errors.Join(err1, err2, err3, err4, err5) != nil || !e.IsInt64() {
		return nil, errDamaged
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	if key.Validate() != nil {
		return nil, errDamaged
	}
	key.Precompute()
	return newKey(key, k.ID, k.Alg)
}

func (k jwk) ec() (*Key, error) {
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve := curves[k.Curve]
	if curve == nil {
		return nil, errors.New("is an EC key of a curve that Okta does not accept: use P-256, P-384 or P-521")
	}
	d, err := number(k.D)
	if err != nil {
		return nil, errDamaged
	}
	raw := make([]byte, (curve.Params().BitSize+7)/8)
	if d.BitLen() > 8*len(raw) {
		return nil, errDamaged
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(raw))
	if err != nil {
		return nil, errDamaged
	}
	return newKey(key, k.ID, k.Alg)
}

func number(text string) (*big.Int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(raw) == 0 {
		return nil, errDamaged
	}
	return new(big.Int).SetBytes(raw), nil
}

// newKey completes a key with its algorithm.
func newKey(private any, id, alg string) (*Key, error) {
	switch key := private.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < 2048 {
			return nil, fmt.Errorf("is an RSA key of %d bits: use one of 2048 or more", key.N.BitLen())
		}
		method := jwt.SigningMethod(jwt.SigningMethodRS256)
		if m := jwt.GetSigningMethod(alg); alg == "RS384" || alg == "RS512" {
			method = m
		}
		return &Key{ID: id, Method: method, signer: key}, nil
	case *ecdsa.PrivateKey:
		methods := map[int]jwt.SigningMethod{256: jwt.SigningMethodES256, 384: jwt.SigningMethodES384, 521: jwt.SigningMethodES512}
		if method := methods[key.Params().BitSize]; method != nil {
			return &Key{ID: id, Method: method, signer: key}, nil
		}
	}
	return nil, errors.New("is neither an RSA key nor one of the curves P-256, P-384 and P-521")
}
