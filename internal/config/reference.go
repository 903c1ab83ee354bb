package config

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// A secret setting may hold one of these forms in place of the secret:
//
//	https://NAME.vault.azure.net/secrets/SECRET[/VERSION]
//	@Microsoft.KeyVault(SecretUri=https://NAME.vault.azure.net/secrets/SECRET[/VERSION])
//	@Microsoft.KeyVault(VaultName=NAME;SecretName=SECRET[;SecretVersion=VERSION])
//
// The platform replaces the last two before the process starts, if it can. It leaves the first
// alone.
// https://learn.microsoft.com/azure/app-service/app-service-key-vault-references

var (
	vaultHost   = regexp.MustCompile(`(?i)^[a-z0-9-]+\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)$`)
	vaultName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$`)
	secretName  = regexp.MustCompile(`^[A-Za-z0-9-]{1,127}$`)
	versionForm = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)
	// secretPath is the path in the address of a secret.
	secretPath = regexp.MustCompile(`(?i)^/secrets/([^/]+)(?:/([^/]+))?/?$`)
)

const (
	referenceForms = "write it as https://NAME.vault.azure.net/secrets/SECRET, the Secret Identifier in the portal, or as @Microsoft.KeyVault(VaultName=NAME;SecretName=SECRET)"
	// vaultCloud is where vaults are, unless another setting says that the app is elsewhere.
	vaultCloud = ".vault.azure.net"
)

// kept reads a reference to a secret in a vault. ok is false if the text is something else.
// problem says what is wrong with a reference.
func (r *Reader) kept(text string) (at secret.Reference, problem string, ok bool) {
	switch {
	case vaultAddress.MatchString(text), r.localVault(text):
		at, problem = secretAddress(text)
	case reference.MatchString(text):
		at, problem = r.platformReference(text)
	default:
		return secret.Reference{}, "", false
	}
	return at, problem, true
}

// localVault reports whether a text is the address of a secret in a stand-in on this machine.
func (r *Reader) localVault(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && address.Loopback(u.Hostname()) && strings.HasPrefix(u.Path, "/secrets/")
}

// secretAddress reads the address of a secret.
func secretAddress(text string) (at secret.Reference, problem string) {
	u, err := url.Parse(text)
	if err != nil {
		return at, "has the address of a secret that can't be parsed: " + referenceForms
	}
	host := u.Host
	if u.Scheme == "https" { // some tools write the port
		host = strings.TrimSuffix(host, ":443")
	}
	m := secretPath.FindStringSubmatch(u.Path)
	local := address.Loopback(u.Hostname())
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return at, "has the address of a secret with a user name, a query or a fragment: " + referenceForms
	case u.Scheme == "http" && !local:
		return at, "has the address of a secret with http: use https"
	case u.Scheme != "https" && u.Scheme != "http", !local && !vaultHost.MatchString(host):
		return at, "has the address of a secret in something other than a vault: " + referenceForms
	case m == nil:
		return at, "has the address of a vault, but not of a secret in it: " + referenceForms
	}
	return named(strings.ToLower(u.Scheme+"://"+host), m[1], m[2])
}

// named checks the names of a secret and its version. They are shown in messages.
func named(vault, name, version string) (at secret.Reference, problem string) {
	switch {
	case hex64.MatchString(name):
		return at, "has a SecretName that looks like the secret itself: use the name of the secret in the vault"
	case !secretName.MatchString(name):
		return at, "has a SecretName that is not one: use up to 127 letters, digits and dashes"
	case version != "" && !versionForm.MatchString(version):
		return at, "has a SecretVersion that is not one: use 32 hexadecimal digits, or omit it to follow a rotation"
	}
	return secret.Reference{Vault: vault, Name: name, Version: version}, ""
}

// platformReference reads the form that the platform knows.
func (r *Reader) platformReference(text string) (at secret.Reference, problem string) {
	open := strings.IndexByte(text, '(')
	inner, closed := strings.CutSuffix(text[open+1:], ")")
	if !closed {
		return at, "is a Key Vault reference without its closing bracket: " + referenceForms
	}
	if blanks(text) != "" {
		return at, "is a Key Vault reference, but it contains blanks: remove them"
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(inner, ";") {
		key, value, found := strings.Cut(part, "=")
		key = strings.ToLower(key)
		_, twice := parts[key]
		switch {
		case part == "":
			continue
		case !found || value == "" || twice || key != "secreturi" && key != "vaultname" && key != "secretname" && key != "secretversion":
			return at, "is a Key Vault reference with a part that is empty, unknown or there twice: " + referenceForms
		}
		parts[key] = value
	}
	if uri := parts["secreturi"]; uri != "" {
		if len(parts) > 1 {
			return at, "is a Key Vault reference with SecretUri and something else: keep only SecretUri"
		}
		return secretAddress(uri)
	}
	vault := parts["vaultname"]
	switch {
	case vault == "" || parts["secretname"] == "":
		return at, "is a Key Vault reference without SecretUri, or without VaultName and SecretName: " + referenceForms
	case !vaultName.MatchString(vault):
		return at, "has a VaultName that is not one: use only the name of the vault, without .vault.azure.net"
	}
	return named("https://"+strings.ToLower(vault)+r.vaultCloud(), parts["secretname"], parts["secretversion"])
}

// vaultCloud is what follows the name of a vault, by the cloud of the other addresses. A
// reference by address needs no such guess.
func (r *Reader) vaultCloud() string {
	for _, name := range []string{
		"logAnalyticsUri", "LOGS_INGESTION_ENDPOINT", "AZURE_STORAGE_BLOB_ENDPOINT", "AzureWebJobsStorage__blobServiceUri", "AZURE_AUTHORITY_HOST",
	} {
		_, _, text, _ := r.find(r.names(name))
		u, err := url.Parse(trim(text))
		if err != nil {
			continue
		}
		switch host := strings.ToLower(u.Hostname()); {
		case strings.HasSuffix(host, ".us"), strings.HasSuffix(host, ".usgovcloudapi.net"):
			return ".vault.usgovcloudapi.net"
		case strings.HasSuffix(host, ".cn"):
			return ".vault.azure.cn"
		}
	}
	return vaultCloud
}
