package config_test

import (
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// kinds are those that ship.
func kinds() []config.Kind { return app.SettingKinds() }

const example = "../../local.settings.example.json"

// TestTableIsComplete sets every setting to something that is reported or that
// changes the outcome: what Load does not read would show no effect.
func TestTableIsComplete(t *testing.T) {
	const reference = "@Microsoft.KeyVault(x)" // reported for any setting that is read
	for _, s := range config.Table(kinds()) {
		t.Run(s.Name, func(t *testing.T) {
			// A source's settings are read where the source is on.
			on := map[string]string{"WEBHOOK_TOKEN": "0123456789abcdef", "SAAS_WEBHOOK_SECRET": "0123456789abcdef", "IIQ_URL": "https://iiq.acme.example/identityiq", "IIQ_CLIENT_ID": "x", "IIQ_CLIENT_SECRET": "y"}
			if strings.HasPrefix(s.Name, "OKTA_") {
				on["OKTA_ORG_URL"] = "https://acme.okta.com"
			}
			if s.Name == "OKTA_PRIVATE_KEY" {
				on["OKTA_CLIENT_ID"] = "0oaclient"
			}
			on[s.Name] = reference
			_, err := load(with(on))
			if got := problems(t, err); len(got) == 0 || got[0].Setting != s.Name {
				t.Errorf("setting is not read: %q", got)
			}
			if s.Meaning == "" || s.Required && s.Default != "" {
				t.Errorf("odd entry: %+v", s)
			}
		})
	}
}

// TestDefaults: the defaults in the table are what an empty environment comes to.
func TestDefaults(t *testing.T) {
	env := valid()
	for _, s := range config.Table(kinds()) {
		if s.Default != "" {
			env[s.Name] = s.Default
		}
	}
	implicit, err := load(valid())
	if err != nil {
		t.Fatal(err)
	}
	explicit, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	opt := cmp.Comparer(func(a, b interface{ Reveal() string }) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(explicit, implicit, opt); diff != "" {
		t.Errorf("(-table +implicit):\n%s", diff)
	}
}

func TestExampleFile(t *testing.T) {
	file, err := config.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	// What the example leaves out on purpose: these select a managed identity for
	// the host's account, which exists in Azure only.
	absent := []string{
		"AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__accountName",
		"AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId",
	}
	// Values that are meant for one's own machine, not the default.
	local := map[string]string{
		"AzureWebJobsStorage": "UseDevelopmentStorage=true", "STATE_URL": "file:.local/state", "INGESTION_API": "DataCollector",
	}
	want := map[string]string{"FUNCTIONS_WORKER_RUNTIME": "custom"}
	got, env, placeholders := map[string]string{}, map[string]string{}, []string{}
	for name, text := range content(file) {
		got[name], env[name] = text, text
		if strings.HasPrefix(text, "<") {
			got[name] = "<>"
			placeholders = append(placeholders, name)
		}
	}
	slices.Sort(placeholders)
	for _, s := range config.Table(kinds()) {
		switch {
		case slices.Contains(absent, s.Name):
		case local[s.Name] != "":
			want[s.Name] = local[s.Name]
		case s.Required, s.Name == "CUSTOMER_ID", s.Name == "SHARED_KEY":
			want[s.Name] = "<>"
		default:
			want[s.Name] = s.Default
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("example file (-want +got):\n%s", diff)
	}

	_, err = load(env)
	var reported []string
	for _, p := range problems(t, err) {
		reported = append(reported, p.Setting)
	}
	slices.Sort(reported)
	if diff := cmp.Diff(placeholders, reported); diff != "" {
		t.Errorf("problems of the untouched example (-want +got):\n%s", diff)
	}
	for _, name := range placeholders {
		env[name] = valid()[name]
	}
	if _, err := load(env); err != nil {
		t.Errorf("example with the placeholders filled in: %v", err)
	}
}

func TestMarkdown(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(config.Markdown(kinds())), "\n")
	if got, want := len(lines), 2+len(config.Table(kinds())); got != want {
		t.Fatalf("%d lines, want %d", got, want)
	}
	for _, want := range []string{
		"| `TENANT_ID` | **required** | ",
		"| `LIMIT` | `1000` | Search page size",
		"| `SHARED_KEY` | – | Primary or secondary key of the workspace, for `DataCollector`. *Secret.* |",
		"| `SAILPOINT_BASE_URL` | `https://{TENANT_ID}.api.identitynow.com` |",
	} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("no line begins with %q", want)
		}
	}
	for i, line := range lines {
		if strings.Count(line, "|") != 4 {
			t.Errorf("line %d does not have three cells: %s", i+1, line)
		}
	}
}

// wide writes a text in UTF-16 without a mark.
func wide(text string, order binary.AppendByteOrder) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// content is what a file holds.
func content(file config.Origin) map[string]string {
	values := map[string]string{}
	for _, name := range file.Names() {
		values[name], _ = file.Lookup(name)
	}
	return values
}

func TestReadFile(t *testing.T) {
	type values = map[string]string
	for _, tc := range []struct {
		name, content string
		want          values
		says          string
	}{
		{"sorted", `{"Values":{"B":"2","A":"1"},"Host":{"CORS":"*"}}`, values{"A": "1", "B": "2"}, ""},
		{"byte order mark", "\xef\xbb\xbf" + `{"Values":{"A":"1"}}`, values{"A": "1"}, ""},
		{"no values", `{}`, values{}, ""},
		{"empty", "", nil, "it contains no settings: copy local.settings.example.json"},
		{"blanks and comments", "\xef\xbb\xbf // none yet\r\n", nil, "it contains no settings"},
		{"encrypted", `{"IsEncrypted":true,"Values":{"A":"` + canarySecret + `"}}`, nil, "func settings decrypt"},
		{"numbers and booleans, as Core Tools", `{"Values":{"LIMIT":1000,"HEALTH_TABLE":false,"X":null}}`, values{"HEALTH_TABLE": "false", "LIMIT": "1000", "X": ""}, ""},
		{"object as a value", `{"Values":{"LIMIT":{"a":"` + canarySecret + `"}}}`, nil, `"LIMIT" must be a text`},
		{"values in small letters", `{"values":{"A":"1"}}`, values{"A": "1"}, ""},
		{"without Values", `{"TENANT_ID":"` + canarySecret + `"}`, nil, `no "Values"`},
		{"comments", "// " + canarySecret + "\n{\"Values\":{ // one\n/* two\n\" */ \"A\":\"1//2\", /**/ \"B\":\"/*3*/\" //}\n}}\n//", values{"A": "1//2", "B": "/*3*/"}, ""},
		{"commas at the end", "{\"Values\":{\"A\":\"1,}\",\n},\n\"Host\":{\"L\":[1,2 , ] , // x\n},}", values{"A": "1,}"}, ""},
		{"escaped quotation mark", `{"Values":{"A":"\"//",}}`, values{"A": `"//`}, ""},
		{"two commas", "{\"Values\":{\n\"A\":\"1\",,}}", nil, "line 2 is not valid JSON"},
		{"nothing but a comma", `{"Values":{,}}`, nil, "not valid JSON"},
		{"endless comment", "{\n/* " + canarySecret, nil, "line 2 begins a comment that is never closed"},
		{"syntax behind a comment", "{ // one\n/* two\n three */\n\"Values\": {\n\"A\" \"" + canarySecret + "\"}}", nil, "line 5"},
		{"single quotation marks", "{\n'Values':{'A':'" + canarySecret + "'}}", nil, "line 2 is not valid JSON (a missing comma or quotation mark, a single quotation mark?)"},
		{"UTF-16, little endian", "\xff\xfe" + wide(`{"Values":{"A":"ä1"}}`, binary.LittleEndian), values{"A": "ä1"}, ""},
		{"UTF-16, big endian", "\xfe\xff" + wide(`{"Values":{"A":"ä1"}}`, binary.BigEndian), values{"A": "ä1"}, ""},
		{"UTF-16 without a mark", wide(`{"Values":{"A":"`+canarySecret+`"}}`, binary.LittleEndian), nil, "UTF-16 without a byte order mark"},
		{"UTF-16 cut", "\xff\xfe" + wide(`{"Values":{"A":"`+canarySecret+`"}}`, binary.LittleEndian) + "\x00", nil, "ends in the middle"},
		{"UTF-32", "\xff\xfe\x00\x00{", nil, "UTF-32"},
		{"Windows-1252", "{\"Values\":{\n\n\"A\":\"" + canarySecret + "\xe4\"}}", nil, "line 3 has a byte that is not UTF-8 (0xE4)"},
		{"list", `["` + canarySecret + `"]`, nil, `"Values"`},
		{"missing comma", "{\n\"Values\":{\"A\":\"" + canarySecret + "\"\n\"B\":\"2\"}}", nil, "line 3"},
		{"comment", "{\n// " + canarySecret + "\n}", values{}, ""},
		{"cut", `{"Values":{"A":"` + canarySecret, nil, "line 1"},
		{"two byte order marks", "\xef\xbb\xbf\xef\xbb\xbf" + `{"Values":{"A":"1"}}`, values{"A": "1"}, ""},
		{"list of variables", "# mine\nTENANT_ID=" + canarySecret + "\n", nil, "line 2 is not JSON but NAME=value"},
		{"list of exports", "export TENANT_ID=" + canarySecret + "\n", nil, "line 1 is not JSON but NAME=value"},
		{"line like a variable in a comment", "{\n/*\nA=1\n*/\n\"Values\":{\"A\":\"1\"}}", values{"A": "1"}, ""},
		{"typographic quotation marks", "{\"Values\":{\n“A”:“" + canarySecret + "”}}", nil, "line 2 has a character outside of a text that JSON does not have: U+201C, a quotation mark of a text"},
		{"no-break space between", "{\n\u00a0\"Values\":{\"A\":\"" + canarySecret + "\"}}", nil, "line 2 has a character outside of a text that JSON does not have: U+00A0 (no-break space)"},
		{"key over several lines", "{\"Values\":{\n\"A\":\"-----BEGIN PRIVATE KEY-----\n" + canarySecret + "\n-----END PRIVATE KEY-----\"}}", nil, `line 2 has a text that does not end on its line: a quotation mark is missing, or a value has a line break, which is written \n`},
		{"name twice", `{"Values":{"A":"1","A":"2"}}`, nil, "occurs twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "local.settings.json")
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := config.ReadFile(path)
			var got values
			if err == nil {
				got = content(file)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if tc.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), canarySecret) {
				t.Errorf("error is %v, want one with %q and without the content", err, tc.says)
			}
		})
	}
	if _, err := config.ReadFile(filepath.Join(t.TempDir(), "none.json")); err == nil || !strings.Contains(err.Error(), "example") {
		t.Errorf("error of a missing file is %v", err)
	}
}

var update = flag.Bool("update", false, "write the settings table into the README")

// The README shows the table that the program has.
func TestREADME(t *testing.T) {
	const name, begin, end = "../../README.md", "<!-- settings: generated from internal/config, go test ./internal/config -update -->\n", "<!-- /settings -->"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(data), begin)
	shown, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("the markers are gone: %q … %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(name, []byte(head+begin+config.Markdown(kinds())+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(config.Markdown(kinds()), shown); diff != "" {
		t.Errorf("run go test ./internal/config -update (-program +README):\n%s", diff)
	}
}
