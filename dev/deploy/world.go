package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// World is what stands in Azure. A deployment reads it, and changes it as the services
// document it: tables lose the columns that are not sent, a role assignment keeps its
// principal, a secret may not be empty.
type World struct {
	around    Surroundings
	resources map[string]map[string]any // by id in lower case
	// History has the ids that were put, in their order.
	History []string
}

// NewWorld returns one with nothing in it but the workspaces that deployments name.
func NewWorld() *World { return &World{resources: map[string]map[string]any{}} }

// Get returns a resource as it was put, or nil.
func (w *World) Get(id string) map[string]any { return w.resources[strings.ToLower(id)] }

// Put places a resource there as it is, without the checks of its service.
func (w *World) Put(id string, body map[string]any) {
	w.resources[strings.ToLower(id)] = body
	w.History = append(w.History, id)
}

// Delete removes a resource and everything below it.
func (w *World) Delete(id string) {
	maps.DeleteFunc(w.resources, func(other string, _ map[string]any) bool {
		return strings.HasPrefix(other+"/", strings.ToLower(id)+"/")
	})
}

// IDs lists everything.
func (w *World) IDs() []string { return slices.Sorted(maps.Keys(w.resources)) }

// reference returns the properties of a resource, or with Full all of it.
func (w *World) reference(args []any) (any, error) {
	id := args[0].(string)
	body := w.Get(id)
	made := w.made(id)
	switch {
	case typeOf(id) == "Microsoft.OperationalInsights/workspaces":
		body = map[string]any{"location": "northeurope"}
	case body == nil:
		return nil, fmt.Errorf("nothing is known of %s: ResourceNotFound", id)
	}
	properties, _ := body["properties"].(map[string]any)
	properties = maps.Clone(properties)
	if properties == nil {
		properties = map[string]any{}
	}
	maps.Copy(properties, made)
	if len(args) > 2 && args[2] == "Full" {
		body = maps.Clone(body)
		body["properties"] = properties
		return body, nil
	}
	return properties, nil
}

// made are the properties that a service makes up.
func (w *World) made(id string) map[string]any {
	switch typeOf(id) {
	case "Microsoft.OperationalInsights/workspaces":
		return map[string]any{"customerId": WorkspaceID}
	case "Microsoft.ManagedIdentity/userAssignedIdentities":
		return map[string]any{"clientId": ClientID, "principalId": cmp.Or(w.around.Principal, PrincipalID)}
	case "Microsoft.Insights/components":
		return map[string]any{"ConnectionString": "InstrumentationKey=66666666-6666-6666-6666-666666666666"}
	case "Microsoft.Insights/dataCollectionRules":
		endpoint := RuleEndpoint
		if domain := map[string]string{"AzureUSGovernment": ".us", "AzureChinaCloud": ".cn"}[w.around.Cloud]; domain != "" {
			endpoint = strings.TrimSuffix(RuleEndpoint, ".com") + domain
		}
		return map[string]any{"immutableId": RuleID, "endpoints": map[string]any{"logsIngestion": endpoint}}
	}
	return nil
}

// typeOf reads the type from an id.
func typeOf(id string) string {
	_, path, _ := strings.Cut(id[max(0, strings.LastIndex(id, "/providers/")):], "/providers/")
	parts := strings.Split(path, "/")
	types := parts[:min(1, len(parts))]
	for i := 1; i < len(parts); i += 2 {
		types = append(types[:len(types):len(types)], parts[i])
	}
	return strings.Join(types, "/")
}

// put makes or replaces a resource, unless its service would refuse it.
func (w *World) put(r Resource) (err error) {
	body := maps.Clone(r.Body)
	before := w.Get(r.ID)
	switch r.Type {
	case "Microsoft.KeyVault/vaults":
		body, err = vault(before, body)
	case "Microsoft.KeyVault/vaults/secrets":
		if at(body, "properties", "value") == "" {
			err = errors.New("an empty secret")
		}
	case "Microsoft.Authorization/roleAssignments":
		err = w.assignment(r)
	case "Microsoft.OperationalInsights/workspaces/tables":
		body, err = table(before, body)
	case "Microsoft.Insights/dataCollectionRules":
		err = w.rule(r)
	case "Microsoft.Web/sites":
		err = w.site(r)
	case "Microsoft.Web/sites/extensions":
		err = w.allowed("/Microsoft.Storage/storageAccounts/", storageBlobDataOwner)
	}
	if err == nil {
		w.Put(r.ID, body)
	}
	return err
}

func at(v any, keys ...string) any {
	for _, k := range keys {
		object, _ := v.(map[string]any)
		v = object[k]
	}
	return v
}

// vault keeps its purge protection, which can't be taken back.
func vault(before, now map[string]any) (map[string]any, error) {
	const property = "enablePurgeProtection"
	switch at(now, "properties", property) {
	case false:
		return nil, errors.New(`the property "enablePurgeProtection" cannot be set to false`)
	case nil:
		if kept := at(before, "properties", property); kept != nil {
			properties := maps.Clone(now["properties"].(map[string]any))
			properties[property] = kept
			now["properties"] = properties
		}
	}
	return now, nil
}

// assignment refuses what the service refuses: another principal or role under the same
// name, and the same assignment under another name.
func (w *World) assignment(r Resource) error {
	same := func(a, b map[string]any) bool {
		return at(a, "properties", "principalId") == at(b, "properties", "principalId") && at(a, "properties", "roleDefinitionId") == at(b, "properties", "roleDefinitionId")
	}
	if before := w.Get(r.ID); before != nil && !same(before, r.Body) {
		return errors.New("RoleAssignmentUpdateNotPermitted: Tenant ID, application ID, principal ID, and scope are not allowed to be updated")
	}
	scope := strings.ToLower(r.Body["scope"].(string))
	for id, other := range w.resources {
		if typeOf(id) == "microsoft.authorization/roleassignments" && id != strings.ToLower(r.ID) && strings.ToLower(other["scope"].(string)) == scope && same(other, r.Body) {
			return errors.New("RoleAssignmentExists: the role assignment already exists")
		}
	}
	return nil
}

// table replaces the columns, as the service does. A classic table has none to replace.
func table(before, now map[string]any) (map[string]any, error) {
	if at(before, "properties", "schema", "tableSubType") == "Classic" {
		return nil, errors.New("a classic table takes no schema")
	}
	types := map[any]any{}
	for _, c := range listOf(at(before, "properties", "schema", "columns")) {
		types[at(c, "name")] = at(c, "type")
	}
	seen := map[any]bool{}
	for _, c := range listOf(at(now, "properties", "schema", "columns")) {
		name, typ := at(c, "name"), at(c, "type")
		if seen[name] {
			return nil, fmt.Errorf("column %v is there twice", name)
		}
		if seen[name] = true; types[name] != nil && !strings.EqualFold(types[name].(string), typ.(string)) {
			return nil, fmt.Errorf("column %v is %v and can't become %v", name, types[name], typ)
		}
	}
	if len(seen) == 0 {
		return nil, errors.New("a table without columns")
	}
	return now, nil
}

// rule needs its tables.
func (w *World) rule(r Resource) error {
	workspace, _ := at(listOf(at(r.Body, "properties", "destinations", "logAnalytics"))[0], "workspaceResourceId").(string)
	for _, flow := range listOf(at(r.Body, "properties", "dataFlows")) {
		name, custom := strings.CutPrefix(at(flow, "outputStream").(string), "Custom-")
		if !custom {
			continue // Sentinel makes these
		}
		standing := w.Get(workspace + "/tables/" + name)
		if standing == nil || at(standing, "properties", "schema", "tableSubType") == "Classic" {
			return fmt.Errorf("InvalidOutputTable: table for output stream Custom-%s is not available for destination workspace", name)
		}
	}
	return nil
}

const (
	storageBlobDataOwner = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
	keyVaultSecretsUser  = "4633458b-17de-408a-b874-0445c86b69e6"
)

// site refuses what would leave the first run without a secret or its state: the role
// and the secret have to be there first.
func (w *World) site(r Resource) error {
	reference := regexp.MustCompile(`^(?:@Microsoft\.KeyVault\(VaultName=([\w-]+);SecretName=([\w-]+)\)|https://([\w-]+)\.vault\.[a-z.]+/secrets/([\w-]+))$`)
	for _, s := range listOf(at(r.Body, "properties", "siteConfig", "appSettings")) {
		value, _ := at(s, "value").(string)
		m := reference.FindStringSubmatch(value)
		if m == nil {
			continue
		}
		if !slices.ContainsFunc(w.IDs(), func(id string) bool { return strings.HasSuffix(id, "/vaults/"+m[1]+m[3]) }) {
			continue // another subscription has it
		}
		tail := "/vaults/" + m[1] + m[3] + "/secrets/" + m[2] + m[4]
		if !slices.ContainsFunc(w.IDs(), func(id string) bool { return strings.HasSuffix(id, tail) }) {
			return fmt.Errorf("the site reads %s ahead of the secret", tail)
		}
		if err := w.allowed("/Microsoft.KeyVault/vaults/"+m[1]+m[3], keyVaultSecretsUser); err != nil {
			return err
		}
	}
	return w.allowed("/Microsoft.Storage/storageAccounts/", storageBlobDataOwner)
}

// allowed reports whether the identity has a role on something whose id has this part.
func (w *World) allowed(on, role string) error {
	for id, a := range w.resources {
		if typeOf(id) == "microsoft.authorization/roleassignments" && at(a, "properties", "principalId") == cmp.Or(w.around.Principal, PrincipalID) &&
			strings.Contains(a["scope"].(string), on) && strings.HasSuffix(at(a, "properties", "roleDefinitionId").(string), role) {
			return nil
		}
	}
	return fmt.Errorf("the identity does not have the role %s on %s yet", role, on)
}
