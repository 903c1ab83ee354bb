package config

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unicode"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

var driveLetter = regexp.MustCompile(`^/?[A-Za-z]:`)

// stateReader reads where the state is stored. All connections share it.
type stateReader struct {
	*Reader
	text struct {
		StateURL       string        `envconfig:"STATE_URL"`
		AccountName    string        `envconfig:"AZURE_STORAGE_ACCOUNT_NAME"`
		AccountKey     secret.Value  `envconfig:"AZURE_STORAGE_ACCESS_KEY"`
		BlobEndpoint   string        `envconfig:"AZURE_STORAGE_BLOB_ENDPOINT"`
		AzureClientID  string        `envconfig:"AZURE_CLIENT_ID"`
		WebJobs        secret.String `envconfig:"AzureWebJobsStorage"`
		WebJobsBlobURI string        `envconfig:"AzureWebJobsStorage__blobServiceUri"`
		WebJobsQueues  string        `envconfig:"AzureWebJobsStorage__queueServiceUri"`
		WebJobsAccount string        `envconfig:"AzureWebJobsStorage__accountName"`
		WebJobsCred    string        `envconfig:"AzureWebJobsStorage__credential"`
		WebJobsClient  string        `envconfig:"AzureWebJobsStorage__clientId"`
	}
	inAzure bool
}

// state resolves STATE_URL and, for blob state, the storage account.
func (v *stateReader) state() (s State) {
	if v.Reported("STATE_URL") {
		return s
	}
	u, err := url.Parse(v.text.StateURL)
	switch {
	case err == nil && u.Scheme == "azblob":
		s.Container = v.container(u)
		s.Account = v.account()
	case err == nil && u.Scheme == "file":
		s.Dir = v.directory(u)
	default:
		v.Problem("STATE_URL", "must be azblob://container or file:///dir")
	}
	return s
}

func (v *stateReader) container(u *url.URL) string {
	name := u.Host
	if !address.Container(name) || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		v.Problem("STATE_URL", "must be azblob:// and the name of a container, nothing else: 3 to 63 lower-case letters, digits and single dashes")
	}
	return name
}

// directory accepts file:///absolute/dir and file:relative/dir.
func (v *stateReader) directory(u *url.URL) string {
	// Azure sets WEBSITE_SITE_NAME on every plan. The disk of an instance is temporary:
	// without the checkpoints on it, events older than INITIAL_LOOKBACK would be lost.
	if v.inAzure {
		v.Problem("STATE_URL", "is a folder, which an app in Azure loses when it moves to another instance: use azblob://sailpoint-connector")
		return ""
	}
	place := u.Path
	if u.Opaque != "" {
		place, _ = url.PathUnescape(u.Opaque)
	}
	if strings.ContainsRune(place, '\\') {
		v.Problem("STATE_URL", "has a backslash, which is part of a name on Linux: replace each backslash with /, as in file:///absolute/dir")
		return ""
	}
	// A trailing "#" or "?" leaves no trace in the parsed URL.
	if place == "" || path.Clean(place) == "/" || u.Host != "" && u.Host != "localhost" || strings.ContainsAny(v.text.StateURL, "#?") || strings.ContainsFunc(place, unicode.IsControl) {
		v.Problem("STATE_URL", "must be file:///absolute/dir (three slashes) or file:relative/dir, with # and ? written as %23 and %3F")
		return ""
	}
	if strings.HasPrefix(strings.TrimLeft(place, "/"), "~") { // a shell would replace it, and this program does not
		v.Problem("STATE_URL", "begins with ~, which only a shell replaces: write the whole path, as in file:///home/me/state")
		return ""
	}
	if driveLetter.MatchString(place) {
		if runtime.GOOS != "windows" { // elsewhere it would be a relative folder of that name
			v.Problem("STATE_URL", "names a drive, which only Windows has: use file:///absolute/dir or file:relative/dir")
			return ""
		}
		place = strings.TrimPrefix(place, "/")
	}
	return filepath.FromSlash(place)
}

// account finds the storage account: by name and key, by name with a managed identity, or
// the account of the Functions host.
func (v *stateReader) account() Account {
	if v.text.AzureClientID != "" && !address.GUID(v.text.AzureClientID) {
		v.Problem("AZURE_CLIENT_ID", "is not a GUID: use the client ID of the user-assigned identity, or remove the setting")
	}
	if v.text.AccountName == "" && !v.Reported("AZURE_STORAGE_ACCOUNT_NAME") {
		for setting, set := range map[string]bool{
			"AZURE_STORAGE_ACCESS_KEY":    !v.text.AccountKey.IsZero(),
			"AZURE_STORAGE_BLOB_ENDPOINT": v.text.BlobEndpoint != "",
		} {
			if set {
				v.Problem(setting, "is set without AZURE_STORAGE_ACCOUNT_NAME: set both, or remove this one")
			}
		}
	}
	hostAccount := v.text.WebJobsBlobURI != "" || v.text.WebJobsAccount != ""
	switch {
	case v.text.AccountName != "":
		return v.namedAccount()
	case v.Reported("AZURE_STORAGE_ACCOUNT_NAME") || v.Reported("AZURE_STORAGE_ACCESS_KEY") || v.Reported("AZURE_STORAGE_BLOB_ENDPOINT"):
		return Account{}
	case !v.text.WebJobs.IsZero():
		a, _ := v.connectionString(v.text.WebJobs.Reveal())
		return a
	case hostAccount:
		return v.hostIdentity()
	case !v.Reported("AzureWebJobsStorage"):
		v.Problem("STATE_URL", "names a container, but there is no storage account: set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCESS_KEY, "+
			"or AZURE_STORAGE_ACCOUNT_NAME alone to use a managed identity, or AzureWebJobsStorage; "+
			"on your own machine also STATE_URL=file:///dir")
	}
	return Account{}
}

func (v *stateReader) namedAccount() Account {
	a := Account{Auth: AccountKey, Setting: "AZURE_STORAGE_ACCESS_KEY", Name: v.text.AccountName, Key: v.text.AccountKey}
	if !address.Account(a.Name) {
		v.Problem("AZURE_STORAGE_ACCOUNT_NAME", "must be 3 to 24 lower-case letters and digits: use only the name, without .blob.core.windows.net")
	}
	if v.text.BlobEndpoint != "" {
		a.BlobEndpoint = v.blobEndpoint("AZURE_STORAGE_BLOB_ENDPOINT", v.text.BlobEndpoint)
	} else {
		a.BlobEndpoint = publicEndpoint(a.Name)
	}
	a.TableEndpoint = tableBeside(a.BlobEndpoint)
	switch {
	case !a.Key.IsZero():
		if text := a.Key.Text().Reveal(); text != "" {
			v.checkKey("AZURE_STORAGE_ACCESS_KEY", text)
		}
	case !v.Reported("AZURE_STORAGE_ACCESS_KEY"):
		a.Auth, a.Setting, a.ClientID = ManagedIdentity, "AZURE_STORAGE_ACCOUNT_NAME", v.text.AzureClientID
		if a.BlobEndpoint != nil && a.BlobEndpoint.Scheme == "http" {
			v.Require("AZURE_STORAGE_ACCESS_KEY", "", "a managed identity does not work over http")
		}
	}
	return a
}

// hostIdentity reads the AzureWebJobsStorage__… form of the host's own account.
func (v *stateReader) hostIdentity() Account {
	a := Account{Auth: ManagedIdentity, Setting: "AzureWebJobsStorage__blobServiceUri", ClientID: v.text.WebJobsClient}
	if c := v.text.WebJobsCred; c != "" && !strings.EqualFold(c, "managedidentity") {
		v.Problemf("AzureWebJobsStorage__credential", "is %s: use managedidentity", shown(c))
	}
	if a.ClientID == "" {
		a.ClientID = v.text.AzureClientID
	} else if !address.GUID(a.ClientID) {
		v.Problem("AzureWebJobsStorage__clientId", "is not a GUID: use the client ID of the user-assigned identity")
	}
	if v.text.WebJobsBlobURI != "" {
		a.BlobEndpoint = v.blobEndpoint(a.Setting, v.text.WebJobsBlobURI)
		if a.BlobEndpoint != nil && a.BlobEndpoint.Scheme == "http" {
			v.Problem(a.Setting, "uses http, but a managed identity requires https: use https, or AzureWebJobsStorage=UseDevelopmentStorage=true for Azurite")
		}
		return a
	}
	a.Setting = "AzureWebJobsStorage__accountName"
	if !address.Account(v.text.WebJobsAccount) {
		v.Problem(a.Setting, "must be 3 to 24 lower-case letters and digits: use only the name, without .blob.core.windows.net")
	}
	a.BlobEndpoint = publicEndpoint(v.text.WebJobsAccount)
	return a
}

// Azurite's account, the same on every machine: https://github.com/Azure/Azurite#default-storage-account
const (
	devAccount  = "devstoreaccount1"
	devKey      = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	devEndpoint = "http://127.0.0.1:10000/devstoreaccount1"
	devQueues   = "http://127.0.0.1:10001/devstoreaccount1"
)

// connectionString accepts what the Functions host accepts: the emulator, an account with
// its key, or an endpoint with a shared access signature. queues is the address of the queue
// service, unchecked; "" if it is unknown.
func (v *stateReader) connectionString(text string) (a Account, queues string) {
	const setting = "AzureWebJobsStorage"
	const remedy = connectionRemedy
	parts, err := splitConnection(text)
	if err != nil {
		v.Problem(setting, err.Error())
		return a, ""
	}
	if strings.EqualFold(parts["usedevelopmentstorage"], "true") {
		if parts["developmentstorageproxyuri"] != "" {
			v.Problem(setting, "has a DevelopmentStorageProxyUri: for Azurite on another port set AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCESS_KEY and AZURE_STORAGE_BLOB_ENDPOINT")
		}
		parts = map[string]string{"accountname": devAccount, "accountkey": devKey, "blobendpoint": devEndpoint, "queueendpoint": devQueues}
	}
	a = Account{Auth: AccountKey, Setting: setting, Name: parts["accountname"], Key: secret.Plain(parts["accountkey"])}
	if sas := strings.TrimPrefix(parts["sharedaccesssignature"], "?"); a.Key.IsZero() && sas != "" {
		a.Auth, a.SAS = SharedAccess, secret.New(sas)
	}
	of := func(service string) string {
		given := parts[service+"endpoint"]
		if given != "" || a.Name == "" {
			return given
		}
		return cmp.Or(parts["defaultendpointsprotocol"], "https") + "://" + a.Name + "." + service + "." + cmp.Or(strings.TrimLeft(parts["endpointsuffix"], "."), "core.windows.net")
	}
	endpoint := of("blob")
	switch {
	case endpoint == "":
		v.Problem(setting, "names neither AccountName nor BlobEndpoint: "+remedy)
	case parts["blobendpoint"] == "" && !address.Account(a.Name):
		v.Problem(setting, "has an AccountName that is not 3 to 24 lower-case letters and digits: "+remedy)
	case a.Auth == AccountKey && (a.Key.IsZero() || a.Name == ""):
		v.Problem(setting, "contains neither AccountName with AccountKey nor a SharedAccessSignature: "+remedy)
	default:
		a.BlobEndpoint = v.blobEndpoint(setting, endpoint)
		a.TableEndpoint = tableBeside(a.BlobEndpoint)
		if table := parts["tableendpoint"]; table != "" {
			a.TableEndpoint = v.Address(setting, table)
		}
		if a.Auth == AccountKey {
			v.checkKey(setting, a.Key.Text().Reveal())
		}
	}
	return a, of("queue")
}

func (v *stateReader) checkKey(setting, key string) {
	switch raw, err := base64.StdEncoding.DecodeString(key); {
	case err == nil && len(raw) > keySize/2 && len(raw) != keySize: // shorter ones are of stand-ins
		v.Hint(setting, fmt.Sprintf("contains an account key of %d bytes, but account keys have %d: if it is rejected, copy the whole key again, from the storage account's Access keys", len(raw), keySize))
	case err != nil || len(raw) == 0:
		v.Problem(setting, "contains an account key that is not base64, so it is truncated or damaged: copy it from the storage account's Access keys again")
	}
}

// blobEndpoint also reports Azurite's address without the account name, to which Azurite
// responds with an unhelpful 400.
func (v *stateReader) blobEndpoint(setting, text string) *url.URL {
	u := v.Address(setting, text)
	if u != nil && u.Scheme == "http" && u.Path == "" && !strings.Contains(u.Hostname(), ".blob.") {
		v.Problemf(setting, "lacks the account's name: for Azurite write it as %s", devEndpoint)
		return nil
	}
	return u
}

// queue finds the queue service of the host's account, which the bindings of the package use.
// Problems that the state reports as well are reported once.
func (v *stateReader) queue() (q Queue) {
	const setting = "AzureWebJobsStorage__queueServiceUri"
	switch {
	case !v.text.WebJobs.IsZero():
		a, address := v.connectionString(v.text.WebJobs.Reveal())
		if q.Account = a; address != "" {
			q.Endpoint = v.Address("AzureWebJobsStorage", address)
		}
	case v.text.WebJobsQueues != "":
		q.Account = v.hostIdentity()
		q.Setting, q.Endpoint = setting, v.Address(setting, v.text.WebJobsQueues)
		if q.Endpoint != nil && q.Endpoint.Scheme == "http" {
			v.Problem(setting, "uses http, but a managed identity requires https")
		}
	case v.text.WebJobsAccount != "":
		q.Account = v.hostIdentity()
		q.Endpoint = &url.URL{Scheme: "https", Host: v.text.WebJobsAccount + ".queue.core.windows.net"}
	case v.text.WebJobsBlobURI != "":
		v.Problem(setting, "is missing, and FAN_OUT is queue: set the address of the queue service beside AzureWebJobsStorage__blobServiceUri, https://NAME.queue.core.windows.net, or the host finds no queue")
	}
	return q
}

func publicEndpoint(account string) *url.URL {
	return &url.URL{Scheme: "https", Host: account + ".blob.core.windows.net"}
}
