// Package vault is a stand-in for an Azure Key Vault: the calls that read and store a secret, with the
// vault's sign-in, roles, network rules, versions and refusals.
//
//	v := &vault.Vault{}
//	v.Set("client-secret", "s3cret")
//	server := httptest.NewServer(v)
//	… let something read server.URL + "/secrets/client-secret", with a token of workspace.Credential …
//	v.Reads()
//
// A vault trusts one audience, that of its cloud: a token for anything else, even of the same
// identity, is refused with a challenge. A role that was assigned a moment ago is not in effect yet,
// which [Vault.Deny] plays. The texts are those of the service.
package vault

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/entra"
)

// Vault is one vault. The zero value is empty and lets everybody in who has a token.
type Vault struct {
	// Audience is what tokens must be for; "" is that of the public cloud.
	Audience string
	// Directory is the directory that the vault is in; "" takes tokens of any. Readers are the object
	// IDs of who has the role to read secrets; nil is everybody.
	Directory string
	Readers   []string
	// Host is the vault's name in identifiers; "" is that of the request.
	Host string
	// Now is its clock; nil means time.Now.
	Now func() time.Time

	mu       sync.Mutex
	denied   int
	policies bool
	walled   bool
	busy     int
	readOnly bool
	gate     <-chan struct{}
	secrets  map[string][]*version
	reads    []Read
}

// Read is a request and the status of its answer.
type Read struct {
	Secret, Version string
	Status          int
	At              time.Time
}

type version struct {
	id, value       string
	stored, expires time.Time
	disabled        bool
}

// Deny refuses the next n reads for want of a role: it was assigned, but is not in effect yet.
func (v *Vault) Deny(n int) { v.mu.Lock(); v.denied, v.policies = n, false; v.mu.Unlock() }

// DenyByPolicy is Deny in a vault with access policies in place of roles.
func (v *Vault) DenyByPolicy(n int) { v.mu.Lock(); v.denied, v.policies = n, true; v.mu.Unlock() }

// Wall puts the vault behind its network rules, or takes them away.
func (v *Vault) Wall(on bool) { v.mu.Lock(); v.walled = on; v.mu.Unlock() }

// ReadOnly refuses to store secrets for want of a role.
func (v *Vault) ReadOnly(on bool) { v.mu.Lock(); v.readOnly = on; v.mu.Unlock() }

// Value returns the newest version of a secret; "" if there is none.
func (v *Vault) Value(name string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if list := v.secrets[name]; len(list) > 0 {
		return list[len(list)-1].value
	}
	return ""
}

// Busy answers the next n requests with 429.
func (v *Vault) Busy(n int) { v.mu.Lock(); v.busy = n; v.mu.Unlock() }

// Hold makes answers wait until the channel is closed; nil ends that.
func (v *Vault) Hold(gate <-chan struct{}) { v.mu.Lock(); v.gate = gate; v.mu.Unlock() }

// Set stores a new version of a secret, and returns its name.
func (v *Vault) Set(name, value string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.secrets == nil {
		v.secrets = map[string][]*version{}
	}
	one := &version{id: fmt.Sprintf("%032x", len(v.secrets[name])+1), value: value, stored: v.now()}
	v.secrets[name] = append(v.secrets[name], one)
	return one.id
}

// Change changes the newest version of a secret: whether it is disabled, and when it expires.
func (v *Vault) Change(name string, disabled bool, expires time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.secrets[name]
	list[len(list)-1].disabled, list[len(list)-1].expires = disabled, expires
}

// Delete removes a secret with all of its versions.
func (v *Vault) Delete(name string) { v.mu.Lock(); delete(v.secrets, name); v.mu.Unlock() }

// Reads lists the requests so far.
func (v *Vault) Reads() []Read {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]Read(nil), v.reads...)
}

func (v *Vault) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// audience is what tokens must be for.
func (v *Vault) audience() string { return cmp.Or(v.Audience, "https://vault.azure.net") }

var (
	nameForm = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)
	versions = regexp.MustCompile(`^(7\.[0-6]|2025-07-01)$`)
)

// refusal is an answer other than 200.
type refusal struct {
	status               int
	code, inner, message string
}

// ServeHTTP implements [http.Handler].
func (v *Vault) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	gate := v.gate
	v.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	rest := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	read := Read{At: v.now(), Status: http.StatusOK}
	if len(rest) > 1 {
		read.Secret = rest[1]
	}
	if len(rest) > 2 {
		read.Version = rest[2]
	}
	found, refused := v.find(rw, r, rest, read)
	if refused != nil {
		read.Status = refused.status
	}
	v.mu.Lock()
	v.reads = append(v.reads, read)
	v.mu.Unlock()
	rw.Header().Set("Date", v.now().UTC().Format(http.TimeFormat))
	if refused != nil {
		v.refuse(rw, refused)
		return
	}
	attributes := map[string]any{"enabled": !found.disabled, "created": found.stored.Unix(), "updated": found.stored.Unix(), "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
	if !found.expires.IsZero() {
		attributes["exp"] = found.expires.Unix()
	}
	answer(rw, http.StatusOK, map[string]any{
		"value": found.value, "id": "https://" + cmp.Or(v.Host, r.Host) + "/secrets/" + read.Secret + "/" + found.id, "attributes": attributes, "tags": map[string]any{},
	})
}

// find does the checks in the service's order: the caller, the network, the request, the role, the
// secret.
func (v *Vault) find(rw http.ResponseWriter, r *http.Request, rest []string, read Read) (*version, *refusal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.busy > 0 {
		v.busy--
		rw.Header().Set("Retry-After", "1")
		return nil, &refusal{http.StatusTooManyRequests, "Throttled", "", "Request was not processed because too many requests were received."}
	}
	if refused := v.authorize(rw, r); refused != nil {
		return nil, refused
	}
	if v.walled {
		return nil, &refusal{http.StatusForbidden, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\nCaller: appid=***;oid=00000000-0000-4000-a000-0000000000aa;iss=https://sts.windows.net/\r\nVault: acme-kv;location=westeurope"}
	}
	switch used := r.URL.Query().Get("api-version"); {
	case r.Method == http.MethodPut && len(rest) == 2:
	case r.Method != http.MethodGet:
		return nil, &refusal{http.StatusMethodNotAllowed, "MethodNotAllowed", "", "The method is not allowed"}
	case used == "":
		return nil, &refusal{http.StatusBadRequest, "BadParameter", "", "api-version must be specified"}
	case !versions.MatchString(used):
		return nil, &refusal{http.StatusBadRequest, "BadParameter", "", "The specified version (" + used + ") is not recognized. Consider using the latest supported version (2025-07-01)."}
	case len(rest) < 2 || len(rest) > 3 || rest[0] != "secrets" || !nameForm.MatchString(read.Secret):
		return nil, &refusal{http.StatusBadRequest, "BadParameter", "", "The request URI contains an invalid name: " + read.Secret}
	}
	if r.Method == http.MethodPut {
		return v.put(r, read.Secret)
	}
	if v.denied > 0 {
		v.denied--
		if v.policies {
			return nil, &refusal{http.StatusForbidden, "Forbidden", "AccessDenied", "The user, group or application 'appid=***;oid=00000000-0000-4000-a000-0000000000aa' does not have secrets get permission on key vault 'acme-kv;location=westeurope'."}
		}
		return nil, &refusal{http.StatusForbidden, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n" +
			"Caller: appid=***;oid=00000000-0000-4000-a000-0000000000aa\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nAssignment: (not found)\r\nVault: acme-kv;location=westeurope\r\n"}
	}
	list := v.secrets[read.Secret]
	for i := len(list) - 1; i >= 0; i-- {
		switch one := list[i]; {
		case read.Version != "" && !strings.EqualFold(one.id, read.Version):
		case one.disabled:
			return nil, &refusal{http.StatusForbidden, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret."}
		default:
			return one, nil
		}
	}
	return nil, &refusal{http.StatusNotFound, "SecretNotFound", "", "A secret with (name/id) " + read.Secret + " was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"}
}

// put stores a new version. The caller holds the lock.
func (v *Vault) put(r *http.Request, name string) (*version, *refusal) {
	if v.readOnly {
		return nil, &refusal{http.StatusForbidden, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource.\r\nAction: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'\r\nAssignment: (not found)\r\nVault: acme-kv;location=westeurope\r\n"}
	}
	var body struct {
		Value string `json:"value"`
	}
	if err := json.UnmarshalRead(r.Body, &body); err != nil || body.Value == "" {
		return nil, &refusal{http.StatusBadRequest, "BadParameter", "", "The request body is invalid."}
	}
	one := &version{id: fmt.Sprintf("%032x", len(v.secrets[name])+1), value: body.Value, stored: v.now()}
	if v.secrets == nil {
		v.secrets = map[string][]*version{}
	}
	v.secrets[name] = append(v.secrets[name], one)
	return one, nil
}

// authorize looks at the token.
func (v *Vault) authorize(rw http.ResponseWriter, r *http.Request) *refusal {
	unauthorized := func(message string) *refusal {
		rw.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/`+cmp.Or(v.Directory, "00000000-0000-4000-a000-000000000001")+`", resource="`+v.audience()+`"`)
		return &refusal{http.StatusUnauthorized, "Unauthorized", "", message}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return unauthorized("AKV10000: Request is missing a Bearer or PoP token.")
	}
	claims, ok := entra.Inspect(token)
	switch {
	case !ok:
		return unauthorized("AKV10046: Unable to resolve the key used for signature validation.")
	case strings.TrimRight(claims.Audience, "/") != v.audience():
		return unauthorized("AKV10022: Invalid audience. Expected " + v.audience() + ", found: " + claims.Audience + ".")
	case !v.now().Before(claims.ExpiresAt()):
		return unauthorized("AKV10043: The token has expired.")
	case v.Directory != "" && claims.Directory != v.Directory:
		return unauthorized("AKV10032: Invalid issuer. Expected one of https://sts.windows.net/" + v.Directory + "/, found https://sts.windows.net/" + claims.Directory + "/.")
	case v.Readers != nil && !slices.Contains(v.Readers, claims.Object):
		return &refusal{http.StatusForbidden, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=***;oid=***\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nAssignment: (not found)\r\nVault: acme-kv;location=westeurope\r\n"}
	}
	return nil
}

func (v *Vault) refuse(rw http.ResponseWriter, r *refusal) {
	form := map[string]any{"code": r.code, "message": r.message}
	if r.inner != "" {
		form["innererror"] = map[string]any{"code": r.inner}
	}
	answer(rw, r.status, map[string]any{"error": form})
}

func answer(rw http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic("sandbox vault: " + err.Error())
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-cache")
	rw.Header().Set("x-ms-keyvault-region", "westeurope")
	rw.WriteHeader(status)
	_, _ = rw.Write(text)
}
