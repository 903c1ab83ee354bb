package playbooks_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/playbooks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/workflow"
)

// TestFilesAreCurrent: run make solution when this fails.
func TestFilesAreCurrent(t *testing.T) {
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	all := files(t)
	for path, want := range all {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the package says (%v): run make solution", path, err)
		}
	}
	for _, pattern := range []string{"sentinel/Playbooks/SailPoint-*/*", "sentinel/Watchlists/*"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			name, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := all[filepath.ToSlash(name)]; !ok {
				t.Errorf("%s is not generated any more: delete it", name)
			}
		}
	}
}

// TestDefinitions: for each playbook, as deployed in each cloud: expressions, order, references, secrets.
func TestDefinitions(t *testing.T) {
	all := templates(t)
	if len(all) != 12 {
		t.Errorf("%d playbooks", len(all))
	}
	for name, template := range all {
		for cloud, vault := range map[string]string{"AzureCloud": "https://vault.azure.net", "AzureUSGovernment": "https://vault.usgovcloudapi.net"} {
			d, values := deployed(t, template, cloud, nil)
			for _, problem := range d.Check() {
				t.Errorf("%s: %s", name, problem)
			}
			for p := range d.Parameters {
				if _, ok := values[p]; !ok {
					t.Errorf("%s: the workflow's parameter %s has no value", name, p)
				}
			}
			if values["VaultAudience"] != vault || !strings.HasPrefix(values["SecretUri"].(string), strings.Replace(vault, "vault.", "vault1.vault.", 1)+"/secrets/") || values["SailPointUrl"] != "https://acme.api.identitynow.com" {
				t.Errorf("%s: %v, %v, %v", name, values["VaultAudience"], values["SecretUri"], values["SailPointUrl"])
			}
		}
	}
}

// operations are those of SailPoint that playbooks use, as its OpenAPI documents have them
// (github.com/sailpoint-oss/api-specs, commit 81ef79d): by service, with a version of its own (v1) and in
// the common version v2025. The stand-ins of the tests take no other request.
func operations() []string {
	return []string{
		"POST /oauth/token",
		"GET /identities/v1", "GET /identities/v1/{id}", "GET /search/v1/identities/{id}",
		"GET /accounts/v1", "POST /accounts/v1/{id}/disable", "POST /access-requests/v1",
		"POST /campaigns/v1", "GET /campaigns/v1/{id}", "POST /campaigns/v1/{id}/activate",
		"GET /personal-access-tokens/v1", "DELETE /personal-access-tokens/v1/{id}",
		"GET /v2025/identities", "GET /v2025/identities/{id}", "GET /v2025/search/identities/{id}",
		"GET /v2025/accounts", "POST /v2025/accounts/{id}/disable", "POST /v2025/access-requests",
		"POST /v2025/campaigns", "GET /v2025/campaigns/{id}", "POST /v2025/campaigns/{id}/activate",
		"GET /v2025/personal-access-tokens", "DELETE /v2025/personal-access-tokens/{id}",
	}
}

// operationOf is the one that a request is of, or "".
func operationOf(method, path string) string {
	for _, o := range operations() {
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(o), `\{id\}`, `[^/]+`) + "$"
		if regexp.MustCompile(pattern).MatchString(method + " " + path) {
			return o
		}
	}
	return ""
}

// TestEncoded: what comes from an alert or from SailPoint is encoded where it is part of an address.
func TestEncoded(t *testing.T) {
	for name, template := range templates(t) {
		d, _ := deployed(t, template, "", nil)
		eachAction(d.Actions, func(action string, a workflow.Action) {
			inputs, _ := a.Inputs.(map[string]any)
			uri, _ := inputs["uri"].(string)
			if strings.Contains(uri, "parameters('ResourceManager')") {
				return // the id of the incident is a path
			}
			rest := uri
			for {
				before, after, found := strings.Cut(rest, "encodeUriComponent(")
				if !found {
					break
				}
				end, open := 0, 1
				for ; open > 0; end++ {
					open += strings.Count(after[end:end+1], "(") - strings.Count(after[end:end+1], ")")
				}
				rest = before + after[end:]
			}
			for _, source := range []string{"variables(", "item", "body(", "outputs(", "triggerBody("} {
				if strings.Contains(rest, source) {
					t.Errorf("%s: %s: %s is not encoded", name, action, uri)
				}
			}
		})
	}
}

func eachAction(actions workflow.Actions, visit func(string, workflow.Action)) {
	for name, a := range actions {
		visit(name, a)
		blocks := []workflow.Actions{a.Actions}
		if a.Else != nil {
			blocks = append(blocks, a.Else.Actions)
		}
		for _, c := range a.Cases {
			blocks = append(blocks, c.Actions)
		}
		for _, b := range blocks {
			eachAction(b, visit)
		}
	}
}

// TestRepositoryForm: what the tools of the public solution repository and the gallery of playbooks read.
func TestRepositoryForm(t *testing.T) {
	for path, data := range files(t) {
		for i, c := range data {
			if c > 126 || c < 32 && c != '\n' {
				t.Errorf("%s: byte %#x at %d", path, c, i)
				break
			}
		}
		for _, m := range regexp.MustCompile(`(\w+ )?\bSentinel\b`).FindAllString(string(data), -1) {
			if m != "Microsoft Sentinel" && strings.HasPrefix(path, "sentinel/Playbooks/") {
				t.Errorf("%s: %q", path, m)
			}
		}
		if strings.Contains(string(data), `"apiVersion"`) && regexp.MustCompile(`"apiVersion": "[^"]*preview`).Match(data) {
			t.Errorf("%s: a preview version", path)
		}
	}
	for name, template := range templates(t) {
		for _, member := range []string{"title", "description", "prerequisites", "lastUpdateTime", "entities", "tags", "support", "author", "postDeployment", "releaseNotes"} {
			if template.Metadata[member] == nil {
				t.Errorf("%s: no metadata %s", name, member)
			}
		}
		if template.Parameters["PlaybookName"].DefaultValue != name {
			t.Errorf("%s: PlaybookName is %v", name, template.Parameters["PlaybookName"].DefaultValue)
		}
		for p, q := range template.Parameters {
			if q.Metadata["description"] == nil || q.Secret() {
				t.Errorf("%s: parameter %s has no description, or takes a secret", name, p)
			}
		}
		last := template.Resources[len(template.Resources)-1]
		tags, _ := last["tags"].(map[string]any)
		if last["name"] != "[parameters('PlaybookName')]" || last["location"] != "[resourceGroup().location]" || tags["hidden-SentinelTemplateName"] != name || tags["hidden-SentinelTemplateVersion"] == nil {
			t.Errorf("%s: %v", name, last["name"])
		}
		source, err := json.Marshal(last["properties"])
		if err != nil || len(source) > 900_000 {
			t.Errorf("%s: %d bytes, %v", name, len(source), err)
		}
	}
}

// TestDeployed: connections with the managed identity, and nothing that costs a person a password.
func TestDeployed(t *testing.T) {
	for name, template := range templates(t) {
		d, err := template.Resolve(deploy.Surroundings{}, map[string]any{"SailPointUrl": "https://acme.api.identitynow.com", "ClientId": clientID, "KeyVaultName": "vault1"})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, r := range d.Resources {
			kinds = append(kinds, r.Type)
			if r.Type == "Microsoft.Logic/workflows" && r.Body["identity"].(map[string]any)["type"] != "SystemAssigned" {
				t.Errorf("%s: no identity", name)
			}
		}
		want := 3
		if strings.HasPrefix(name, "SailPoint-IdentityDetails") {
			want = 2 // it sends no e-mail
		}
		if len(kinds) != want {
			t.Errorf("%s: %v", name, kinds)
		}
	}
}

// TestWatchlists: the template of the content makes them by choice, and those of the solution repository
// are the same: with columns, a search key among them, and without rows.
func TestWatchlists(t *testing.T) {
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	content, err := deploy.Read(filepath.Join(root, "sentinel", "Package", "mainTemplate.json"))
	if err != nil {
		t.Fatal(err)
	}
	for chosen, want := range map[bool]int{false: 0, true: len(playbooks.Watchlists())} {
		d, err := content.Resolve(deploy.Surroundings{}, map[string]any{"workspace": "logs", "createWatchlists": chosen})
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, r := range d.Resources {
			if r.Type != "Microsoft.SecurityInsights/watchlists" {
				continue
			}
			got++
			own, err := deploy.Read(filepath.Join(root, "sentinel", "Watchlists", r.Name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			standing, err := own.Resolve(deploy.Surroundings{}, map[string]any{"workspaceName": "logs"})
			if err != nil {
				t.Fatal(err)
			}
			same := standing.Resources[0]
			if diff := cmp.Diff(same.Body["properties"], r.Body["properties"]); diff != "" || same.Name != "logs/Microsoft.SecurityInsights/"+r.Name {
				t.Errorf("%s, %s: %s", r.Name, same.Name, diff)
			}
			properties := r.Body["properties"].(map[string]any)
			columns := strings.TrimSuffix(properties["rawContent"].(string), "\r\n")
			key, _, _ := strings.Cut(columns, ",")
			if key != properties["itemsSearchKey"] || strings.ContainsAny(columns, "\r\n") || properties["watchlistAlias"] != r.Name {
				t.Errorf("%s: %v", r.Name, properties)
			}
		}
		if got != want {
			t.Errorf("createWatchlists %v: %d, want %d", chosen, got, want)
		}
	}
}

// TestWatchlistsOfRules: what a rule reads is made, and what is made is read by a rule.
func TestWatchlistsOfRules(t *testing.T) {
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Glob(filepath.Join(root, "sentinel", "Analytic Rules", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]bool{}
	for _, r := range rules {
		data, err := os.ReadFile(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`_GetWatchlist\('(\w+)'\)`).FindAllSubmatch(data, -1) {
			read[string(m[1])] = true
		}
	}
	made := map[string]bool{}
	for _, w := range playbooks.Watchlists() {
		made[w.Alias] = true
	}
	if diff := cmp.Diff(made, read); diff != "" {
		t.Error(diff)
	}
}
