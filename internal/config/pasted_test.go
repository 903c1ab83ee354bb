package config_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// Around a value what can't be seen does no harm.
func TestPastedAround(t *testing.T) {
	for name, around := range map[string][2]string{
		"line breaks":         {"", "\r\n"},
		"byte order mark":     {"\ufeff", ""},
		"no-break space":      {"\u00a0", "\u00a0"},
		"zero-width space":    {"", "\u200b"},
		"direction marks":     {"\u200e", "\u202c"},
		"soft hyphen and all": {"\t\u00ad", " \u2060\u2028"},
	} {
		t.Run(name, func(t *testing.T) {
			env := valid()
			for setting, value := range env {
				env[setting] = around[0] + value + around[1]
			}
			s, err := load(env)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{s.Tenant, s.ClientID, s.ClientSecret.Text().Reveal(), s.DataCollector.WorkspaceID, s.DataCollector.SharedKey.Text().Reveal(), s.State.Account.Name, s.State.Account.Key.Text().Reveal()}
			if diff := cmp.Diff([]string{"acme", clientID, canarySecret, workspace, canaryShared, "acmestate", canaryKey}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What can't be meant is named, whatever the setting, and without its value.
func TestPasted(t *testing.T) {
	const s = canarySecret
	for name, c := range map[string]struct{ value, says string }{
		"zero-width space":         {s[:6] + "\u200b" + s[6:], "U+200B (zero-width space), as its 7th"},
		"no-break space":           {s[:1] + "\u00a0" + s[1:], "U+00A0 (no-break space), as its 2nd"},
		"soft hyphen":              {s[:10] + "\u00ad" + s[10:], "U+00AD (soft hyphen), as its 11th"},
		"byte order mark":          {s + "\ufeff" + s, "U+FEFF (byte order mark)"},
		"direction override":       {s + "\u202e" + s, "U+202E"},
		"filler":                   {s + "\u3164" + s, "U+3164"},
		"variation selector":       {s + "\ufe0f" + s, "U+FE0F"},
		"line separator":           {s + "\u2028" + s, "U+2028"},
		"line break":               {s + "\r\n" + s, "line break"},
		"NUL's neighbour":          {s + "\x01" + s, "control character"},
		"damaged":                  {s + "\ufffd", "U+FFFD"},
		"Windows-1252":             {s + "\xe4", "not UTF-8"},
		"quotation marks":          {`"` + s + `"`, "quotation marks"},
		"line of a JSON file":      {`"` + s + `",`, "quotation marks"},
		"line of a script":         {`'` + s + `';`, "quotation marks"},
		"backquotes":               {"`" + s + "`", "quotation marks"},
		"typographic":              {"“" + s + "”", "quotation marks"},
		"German":                   {"„" + s + "“", "quotation marks"},
		"mask of a portal":         {"••••••••••", "shown in place of a secret"},
		"stars":                    {"********", "shown in place of a secret"},
		"mask of this program":     {"(secret)", "shown in place of a secret"},
		"redacted":                 {"[REDACTED]", "shown in place of a secret"},
		"variable of PowerShell":   {"$env:CLIENT_SECRET", "$(NAME)"},
		"variable of a shell":      {"$CLIENT_SECRET", "$(NAME)"},
		"template function":        {"[concat('a', parameters('b'))]", "$(NAME)"},
		"vault without a scheme":   {"v.vault.azure.net/secrets/" + s, "without https://"},
		"placeholder":              {"<" + s + ">", "placeholder"},
		"pipeline variable":        {"$(CLIENT_SECRET)", "$(NAME)"},
		"part of a value":          {"https://$(host.name)/x", "$(NAME)"},
		"shell variable":           {"${SECRET:-" + s + "}", "$(NAME)"},
		"workflow expression":      {"${{ secrets.X }}", "$(NAME)"},
		"Windows variable":         {"%SECRET%", "$(NAME)"},
		"token of a replace task":  {"#{secret}#", "$(NAME)"},
		"template":                 {"{{ secret }}", "$(NAME)"},
		"tokenizer":                {"__Secret__", "$(NAME)"},
		"template parameter":       {"[parameters('clientSecret')]", "$(NAME)"},
		"reference":                {"@Microsoft.KeyVault(SecretUri=https://" + s + ")", "Key Vault Secrets User"},
		"reference, small letters": {"@microsoft.keyvault(VaultName=" + s + ")", "Key Vault Secrets User"},
		"reference, blank inside":  {"@Microsoft.KeyVault( VaultName=v; SecretName=" + s + ")", "it contains blanks"},
		"blank before the bracket": {"@Microsoft.KeyVault (SecretUri=https://" + s + ")", "exactly @Microsoft.KeyVault("},
		"blank after the sign":     {"@ Microsoft.KeyVault(SecretUri=" + s + ")", "exactly @Microsoft.KeyVault("},
		"blank at the dot":         {"@Microsoft. KeyVault(SecretUri=" + s + ")", "exactly @Microsoft.KeyVault("},
		"without the sign":         {"Microsoft.KeyVault(SecretUri=" + s + ")", "exactly @Microsoft.KeyVault("},
		"App Configuration":        {"@Microsoft.AppConfiguration(Endpoint=" + s + ")", "App Configuration Data Reader"},
		"App Configuration, blank": {"@Microsoft.AppConfiguration (Endpoint=" + s + ")", "exactly @Microsoft.AppConfiguration("},
		"address of a store":       {"https://v.azconfig.io", "@Microsoft.AppConfiguration(Endpoint="},
		"address of the secret":    {"https://v.vault.azure.net/secrets/" + s, "SecretUri="},
	} {
		settings := []string{"CLIENT_ID", "CLIENT_SECRET", "CUSTOMER_ID", "SHARED_KEY", "AZURE_STORAGE_ACCESS_KEY", "LIMIT"}
		if strings.HasPrefix(name, "reference") || name == "address of the secret" {
			settings = []string{"CLIENT_ID", "CUSTOMER_ID", "LIMIT"} // secrets may be references
		}
		for _, setting := range settings {
			t.Run(name+"/"+setting, func(t *testing.T) {
				_, err := load(with(map[string]string{setting: c.value}))
				got := problems(t, err)
				if len(got) != 1 || got[0].Setting != setting || !strings.Contains(got[0].Message, c.says) {
					t.Errorf("got %q, want one problem of %s with %q", got, setting, c.says)
				}
				if err != nil && strings.Contains(err.Error(), "canary") {
					t.Errorf("the value is shown: %v", err)
				}
			})
		}
	}
	t.Run("name in front", func(t *testing.T) {
		_, err := load(with(map[string]string{"CLIENT_SECRET": "CLIENT_SECRET=" + s}))
		if got := problems(t, err); len(got) != 1 || !strings.Contains(got[0].Message, "contains its own name") {
			t.Errorf("got %q", got)
		}
	})
}

func TestPastedAddresses(t *testing.T) {
	type env = map[string]string
	const base, state = "SAILPOINT_BASE_URL", "STATE_URL"
	for _, tc := range []struct {
		name    string
		env     env
		setting string // "" when it is taken
		says    string // or the tenant or folder it comes to
	}{
		{"tenant from the address bar", env{"TENANT_ID": "https://acme.identitynow.com/ui/d/dashboard?x=1"}, "", "acme"},
		{"tenant with a fragment", env{"TENANT_ID": "acme.identitynow.com#/home"}, "", "acme"},
		{"version alone", env{base: "v2025"}, base, "SAILPOINT_API_VERSION"},
		{"version as a path", env{base: "/Beta/"}, base, "SAILPOINT_API_VERSION"},
		{"version and no scheme", env{base: "acme.api.identitynow.com/v3"}, base, "lacks https:// in front"},
		{"host and port", env{base: "acme.api.identitynow.com:443"}, base, "lacks https:// in front"},
		{"short name", env{base: "acme"}, base, "move it to TENANT_ID"},
		{"version behind the API", env{base: "https://acme.api.identitynow.com/v3"}, base, "only https://acme.api.identitynow.com"},
		{"token endpoint", env{base: "https://acme.api.identitynow.com/oauth/token"}, base, "use only"},
		{"any path behind the API", env{base: "https://acme.api.saas.sailpointfedramp.com/idn"}, base, "use only"},
		{"slash behind the API", env{base: "https://acme.api.identitynow.com/"}, "", "acme"},
		{"path of a proxy", env{base: "https://proxy.example/idn"}, "", "acme"},
		{"version behind a proxy", env{base: "https://proxy.example/idn/v2025"}, base, "version"},
		{"call behind a proxy", env{base: "https://proxy.example/beta/search"}, base, "version"},
		{"query", env{base: "https://acme.api.identitynow.com?a=b"}, base, "keep only"},
		{"user", env{base: "https://me@acme.api.identitynow.com"}, base, "keep only"},
		{"host of dashes", env{"TENANT_ID": "-", base: "https://---"}, base, "also set TENANT_ID"},
		{"host of dots", env{"TENANT_ID": "-", base: "https://..."}, base, "a host that can't exist"},
		{"unspecified address", env{"TENANT_ID": "-", base: "https://[::]"}, base, "also set TENANT_ID"},
		{"host of dashes beside a name", env{base: "https://---"}, "", "acme"},
		{"host with an umlaut", env{"TENANT_ID": "-", base: "https://ümläut"}, base, "xn--"},

		{"four slashes and a folder", env{state: "file:////x"}, "", "//x"},
		{"a shell's sign of the home", env{state: "file:~/state"}, state, "begins with ~"},
		{"a shell's sign of the home, absolute", env{state: "file:///~/state"}, state, "begins with ~"},
		{"four slashes", env{state: "file:////"}, state, "three slashes"},
		{"the root by dots", env{state: "file:///a/.."}, state, "three slashes"},
		{"the root by dots, escaped", env{state: "file:///a/%2e%2e"}, state, "three slashes"},
		{"backslash", env{state: `file:\tmp`}, state, "replace each backslash with /"},
		{"backslashes of a drive", env{state: `file:///C:\state`}, state, "replace each backslash with /"},
		{"backslashes of a share", env{state: `file:\\server\share`}, state, "replace each backslash with /"},
		{"escaped backslash", env{state: `file:///a%5Cb`}, state, "replace each backslash with /"},
		{"fragment", env{state: "file:///a/b#c"}, state, "%23"},
		{"empty fragment", env{state: "file:///a/b#"}, state, "%23"},
		{"empty query", env{state: "file:///a/b?"}, state, "%3F"},
		{"fragment of a relative folder", env{state: "file:a/b#c"}, state, "%23"},
		{"escaped fragment", env{state: "file:///a/b%23c"}, "", "/a/b#c"},
		{"line break", env{state: "file:///a%0ab"}, state, "three slashes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := load(with(tc.env))
			got := problems(t, err)
			switch {
			case tc.setting != "" && (len(got) != 1 || got[0].Setting != tc.setting || !strings.Contains(got[0].Message, tc.says)):
				t.Errorf("got %q, want one problem of %s with %q", got, tc.setting, tc.says)
			case tc.setting != "":
			case err != nil || s.Tenant != tc.says && filepath.ToSlash(s.State.Dir) != tc.says:
				t.Errorf("tenant %q, folder %q, %v, want %q", s.Tenant, s.State.Dir, err, tc.says)
			}
		})
	}
}

func TestPastedConnectionString(t *testing.T) {
	const good = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=" + canaryKey + ";EndpointSuffix=core.windows.net"
	for name, c := range map[string]struct{ text, says string }{
		"as it is":                   {good, ""},
		"two semicolons":             {strings.ReplaceAll(good, ";", ";;"), ""},
		"semicolons around":          {";;" + good + ";;", ""},
		"line breaks between":        {strings.ReplaceAll(good, ";", ";\r\n"), ""},
		"blanks around signs":        {strings.Replace(strings.ReplaceAll(good, ";", " ; "), "AccountName=", "AccountName = ", 1), ""},
		"names in small letters":     {strings.Replace(good, "AccountName", "accountname", 1), ""},
		"suffix with a dot":          {strings.Replace(good, "=core", "=.core", 1), ""},
		"line break in the key":      {strings.Replace(good, canaryKey, canaryKey[:9]+"\n"+canaryKey[9:], 1), "line break or a blank inside AccountKey"},
		"blank in the key":           {strings.Replace(good, canaryKey, canaryKey[:9]+" "+canaryKey[9:], 1), "line break or a blank inside AccountKey"},
		"quotation marks in it":      {strings.Replace(good, canaryKey, `"`+canaryKey+`"`, 1), "quotation marks around AccountKey"},
		"quotation marks around it":  {`"` + good + `"`, "quotation marks"},
		"a name twice":               {good + ";AccountName=other", "names AccountName twice"},
		"a name twice in other case": {good + ";ACCOUNTKEY=" + canaryKey, "names ACCOUNTKEY twice"},
		"key only":                   {canaryKey[:20], "not a connection string"},
		"key only, with its sign":    {canaryKey + "/x", "not one of a connection string"},
		"no name":                    {"=" + canaryKey, "not a connection string"},
		"invisible inside":           {strings.Replace(good, "acme", "ac\u200bme", 1), "zero-width space"},
		"only semicolons":            {";;", "neither AccountName nor BlobEndpoint"},
		"its own name":               {"AzureWebJobsStorage=" + good, "its own name"},
		"unresolved":                 {"$(storage)", "$(NAME)"},
		"unresolved key":             {strings.Replace(good, canaryKey, "$(key)", 1), "$(NAME)"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := load(withStorage(map[string]string{"AzureWebJobsStorage": c.text}))
			if err != nil && strings.Contains(err.Error(), canaryKey[:9]) {
				t.Errorf("the key is shown: %v", err)
			}
			got := problems(t, err)
			switch a := s.State.Account; {
			case c.says != "" && (len(got) != 1 || got[0].Setting != "AzureWebJobsStorage" || !strings.Contains(got[0].Message, c.says)):
				t.Errorf("got %q, want one problem with %q", got, c.says)
			case c.says == "" && (err != nil || a.Name != "acme" || a.Key.Text().Reveal() != canaryKey || a.BlobEndpoint.String() != "https://acme.blob.core.windows.net"):
				t.Errorf("%v: %v", a, err)
			}
		})
	}
}

// What is certainly not the secret of a client is named, whatever the characters are that spoil it.
func TestPastedClientSecret(t *testing.T) {
	digits := strings.Repeat("0f1e2d3c", 8)
	for name, c := range map[string]struct{ value, says, hint string }{
		"as all are":             {digits, "", ""},
		"of another kind":        {"synthetic-client-secret", "", ""},
		"capitals":               {strings.ToUpper(digits), "", ""},
		"a digit lost":           {digits[1:], "", "has 63 characters"},
		"a digit too much":       {digits + "0", "", "has 65 characters"},
		"quotation mark left":    {digits + "\"", "", "has 65 characters"},
		"comma left":             {digits + ",", "", "has 65 characters"},
		"quotation mark of text": {digits + "”", "copy the secret again", ""},
		"dash of a text":         {digits[:9] + "–" + digits[10:], "copy the secret again", ""},
		"letter that looks like": {digits[:9] + "а" + digits[10:], "copy the secret again", ""},
		"scheme of a header":     {"Bearer " + digits, "copy the secret again", ""},
		"blank inside":           {digits[:9] + " " + digits[9:], "copy the secret again", ""},
		"an address":             {"https://portal.azure.com/#view/" + digits, "is an address, not the secret", ""},
		"a vault, no secret":     {"https://v.vault.azure.net/", "is an address, not the secret", ""},
		"a vault's other port":   {"https://v.vault.azure.net:8443/secrets/s", "is an address, not the secret", ""},
		"another service":        {"https://v.managedhsm.azure.net/secrets/s", "is an address, not the secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := load(with(map[string]string{"CLIENT_SECRET": c.value}))
			got, hints := problems(t, err), s.Hints
			hints = slices.DeleteFunc(hints, func(p config.Problem) bool { return p.Setting != "CLIENT_SECRET" })
			switch {
			case c.says != "" && (len(got) != 1 || got[0].Setting != "CLIENT_SECRET" || !strings.Contains(got[0].Message, c.says)):
				t.Errorf("got %q, want one problem with %q", got, c.says)
			case c.says == "" && err != nil:
				t.Error(err)
			case c.hint == "" && len(hints) > 0, c.hint != "" && (len(hints) != 1 || !strings.Contains(hints[0].Message, c.hint)):
				t.Errorf("hints %q, want %q", hints, c.hint)
			}
			if err != nil && strings.Contains(err.Error(), digits[:9]) {
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
}

// A storage key of an unusual length is named and taken, as a workspace key is.
func TestStorageKeyLength(t *testing.T) {
	cut := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 48))
	s, err := load(with(map[string]string{"AZURE_STORAGE_ACCESS_KEY": cut}))
	if err != nil || len(s.Hints) == 0 || s.Hints[0].Setting != "AZURE_STORAGE_ACCESS_KEY" || !strings.Contains(s.Hints[0].Message, "48 bytes, but account keys have 64") {
		t.Errorf("%+v, %v", s.Hints, err)
	}
}

// Durations are taken as people write them.
func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"24h": 24 * time.Hour, "24 h": 24 * time.Hour, "24H": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "1 d 12 h": 36 * time.Hour,
		"1h 30m": 90 * time.Minute, "1.5d": 36 * time.Hour, "90S": 90 * time.Second, " 2h ": 2 * time.Hour,
	} {
		s, err := load(with(map[string]string{"INITIAL_LOOKBACK": text}))
		if err != nil || s.InitialLookback != want {
			t.Errorf("%q: %v, %v, want %v", text, s.InitialLookback, err, want)
		}
	}
}

// A workspace key of an unusual length is named and taken.
func TestWorkspaceKeyLength(t *testing.T) {
	for name, c := range map[string]struct {
		bytes int
		env   map[string]string
		hints int
	}{
		"as all are":       {64, nil, 0},
		"cut":              {48, nil, 1},
		"for a stand-in":   {16, map[string]string{"logAnalyticsUri": "http://127.0.0.1:9"}, 0},
		"beside the other": {16, map[string]string{"INGESTION_API": "NDJSON"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			env := with(c.env)
			env["SHARED_KEY"] = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), c.bytes))
			s, err := load(env)
			if err != nil || len(s.Hints) != c.hints {
				t.Fatalf("hints %q, %v, want %d", s.Hints, err, c.hints)
			}
			for _, hint := range s.Hints {
				if hint.Setting != "SHARED_KEY" || !strings.Contains(hint.Message, "48 bytes, but workspace keys have 64") {
					t.Errorf("%+v", hint)
				}
			}
		})
	}
}

// Both keys have an unusual length: the hints come in the order of the settings, each time.
func TestBothKeyLengths(t *testing.T) {
	cut := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 48))
	for range 20 {
		s, err := load(with(map[string]string{"SHARED_KEY": cut, "SHARED_KEY_SECONDARY": cut}))
		if err != nil || len(s.Hints) != 2 || s.Hints[0].Setting != "SHARED_KEY" || s.Hints[1].Setting != "SHARED_KEY_SECONDARY" {
			t.Fatalf("%+v, %v", s.Hints, err)
		}
	}
}

func TestProxySetting(t *testing.T) {
	const secret = "canary" + "Pa55"
	for name, c := range map[string]struct{ value, says string }{
		"plain":                     {"http://proxy.example:3128", ""},
		"user and password":         {"http://user:" + secret + "%23@proxy.example:3128/", ""},
		"host and port":             {"proxy.example:3128", ""},
		"address":                   {"http://[2001:db8::1]:3128", ""},
		"SOCKS":                     {"socks5://proxy.example", ""},
		"# in the password":         {"http://user:" + secret + "#x@proxy.example:3128", "# as %23"},
		"# after digits":            {"http://user:12#" + secret + "@proxy.example:3128", "# as %23"},
		"/ in the password":         {"http://user:" + secret + "/x@proxy.example:3128", "/ as %2F"},
		"? in the password":         {"user:" + secret + "?x@proxy.example", "? as %3F"},
		"% in the password":         {"http://user:" + secret + "%zz@proxy.example", "% as %25"},
		"blank in the password":     {"http://user:" + secret + " x@proxy.example", "a blank as %20"},
		"port that is none":         {"http://proxy.example:" + secret, "can't be parsed"},
		"port out of range":         {"http://proxy.example:70000", "1 to 65535"},
		"no port after the colon":   {"http://proxy.example:", "no number"},
		"no host":                   {"http://:3128", "names no host"},
		"only a scheme":             {"http://", "names no host"},
		"a path":                    {"http://proxy.example:3128/" + secret, "after the port"},
		"another scheme":            {"ftp://proxy.example", "http://, https:// or socks5://"},
		"an address of a setup":     {"file:///proxy.pac", "http://, https:// or socks5://"},
		"a blank in the host":       {"http://pro xy:3128", "can't be parsed"},
		"quotation marks":           {`"http://proxy.example:3128"`, "http://, https:// or socks5://"},
		"password with a at":        {"http://user:" + secret + "@x@proxy.example", ""},
		"bracket that does not end": {"http://[::1:3128", "can't be parsed"},
	} {
		for _, setting := range []string{"HTTPS_PROXY", "https_proxy"} {
			t.Run(name+"/"+setting, func(t *testing.T) {
				for _, other := range []string{"HTTPS_PROXY", "https_proxy"} {
					t.Setenv(other, "")
				}
				t.Setenv(setting, c.value)
				_, err := load(valid())
				got := problems(t, err)
				if c.says == "" && err != nil || c.says != "" && (len(got) != 1 || got[0].Setting != setting || !strings.Contains(got[0].Message, c.says)) {
					t.Errorf("got %q, want a problem with %q", got, c.says)
				}
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the password is shown: %v", err)
				}
			})
		}
	}
}

// Entries of NO_PROXY that match nothing are named, if there is a proxy.
func TestNoProxySetting(t *testing.T) {
	for name, c := range map[string]struct{ proxy, list, says string }{
		"hosts":              {"http://proxy.example:3128", "acme.api.identitynow.com, .blob.core.windows.net,*.vault.azure.net,10.0.0.0/8,[::1]:443", ""},
		"everything":         {"http://proxy.example:3128", "*", ""},
		"none":               {"http://proxy.example:3128", "", ""},
		"semicolons":         {"http://proxy.example:3128", "a.example;b.example", "not separated by commas"},
		"blanks":             {"http://proxy.example:3128", "a.example b.example", "not separated by commas"},
		"bars":               {"http://proxy.example:3128", "localhost|*.example", "not separated by commas"},
		"address":            {"http://proxy.example:3128", "a.example,https://b.example", "with a scheme"},
		"star in the middle": {"http://proxy.example:3128", "acme*.example", "with *"},
		"no proxy":           {"", "a.example;b.example", ""},
	} {
		for _, setting := range []string{"NO_PROXY", "no_proxy"} {
			t.Run(name+"/"+setting, func(t *testing.T) {
				for _, other := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
					t.Setenv(other, "")
				}
				t.Setenv("HTTPS_PROXY", c.proxy)
				t.Setenv(setting, c.list)
				s, err := load(valid())
				hints := slices.DeleteFunc(s.Hints, func(p config.Problem) bool { return p.Setting != setting })
				if err != nil || len(hints) != min(1, len(c.says)) || len(hints) == 1 && !strings.Contains(hints[0].Message, c.says) {
					t.Errorf("%q, %v, want %q", hints, err, c.says)
				}
			})
		}
	}
}

// FuzzPastedConnectionString: whatever is pasted, nothing of a key is shown, and what is
// taken is the same with more semicolons.
func FuzzPastedConnectionString(f *testing.F) {
	f.Add("AccountName=acme;AccountKey=", ";EndpointSuffix=core.windows.net")
	f.Add("BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sig=", "")
	f.Add("UseDevelopmentStorage=true;", ";;")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsRune(before+after, 0) {
			return
		}
		load := func(text string) (config.Account, error) {
			env := maps.Clone(withStorage(map[string]string{"AzureWebJobsStorage": text}))
			s, err := load(env)
			return s.State.Account, err
		}
		text := before + canaryKey + after
		a, err := load(text)
		if err != nil && !strings.Contains(before+after, canaryKey[:9]) && strings.Contains(err.Error(), canaryKey[:9]) {
			t.Errorf("the key is shown: %v", err)
		}
		if err != nil || strings.ContainsAny(before+after, "\"'`“”„‘’«» ,") {
			return
		}
		if b, err := load(";;" + strings.ReplaceAll(text, ";", ";\n;") + ";"); err != nil || a.Name != b.Name || a.Key.Text().Reveal() != b.Key.Text().Reveal() || a.SAS.Reveal() != b.SAS.Reveal() {
			t.Errorf("%q: %v and with semicolons %v: %v", text, a, b, err)
		}
	})
}

// FuzzSettingsFile: reading never panics, an error names the file and no content.
func FuzzSettingsFile(f *testing.F) {
	f.Add([]byte(`{"IsEncrypted":false,"Values":{"A":"canary-1", /* x */ "B":2,},}`))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	f.Add([]byte("{\"Values\":{\"canary-\xe4\":'1'}} // x"))
	path := filepath.Join(f.TempDir(), "local.settings.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.ReadFile(path)
		if err != nil && (!strings.Contains(err.Error(), path) || errors.Unwrap(err) == nil) {
			t.Errorf("%v", err)
		}
	})
}
