package deploy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

const eventsTable = workspace + "/tables/SailPointIDN_Events_CL"

// standing is a table as its service returns it.
func standing(subType string, columns map[string]string, more map[string]any) map[string]any {
	var list []any
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		list = append(list, map[string]any{"name": name, "type": columns[name], "isDefaultDisplay": false, "isHidden": false})
	}
	properties := map[string]any{
		"plan": "Analytics", "retentionInDays": 90.0, "totalRetentionInDays": 90.0, "retentionInDaysAsDefault": true, "totalRetentionInDaysAsDefault": true,
		"schema": map[string]any{"name": "SailPointIDN_Events_CL", "tableSubType": subType, "columns": list, "standardColumns": []any{map[string]any{"name": "TenantId", "type": "guid"}}},
	}
	maps.Copy(properties, more)
	return map[string]any{"properties": properties}
}

// columns of a table that stands in a world.
func columns(w *deploy.World, id string) map[string]string { return columnsOf(w.Get(id)) }

func columnsOf(table map[string]any) map[string]string {
	got := map[string]string{}
	list, _ := dig(table, "properties", "schema", "columns").([]any)
	for _, c := range list {
		got[dig(c, "name").(string)] = dig(c, "type").(string)
	}
	return got
}

// ours are the columns of a new table.
func ours(t *testing.T) map[string]string {
	w := deploy.NewWorld()
	deployedIn(t, deploy.Surroundings{World: w}, nil)
	return columns(w, eventsTable)
}

// A migrated table keeps its columns and gets the missing ones, and its retention. A
// column that it has under the same name keeps its type, which can't be changed.
func TestMigratedTableKeepsItsColumns(t *testing.T) {
	before := map[string]string{"TimeGenerated": "datetime", "attributes_badge_s": "string", "Created_T": "dateTime", "org_s": "string"}
	w := deploy.NewWorld()
	w.Put(eventsTable, standing("DataCollectionRuleBased", before, map[string]any{"retentionInDays": 365.0, "retentionInDaysAsDefault": false, "totalRetentionInDays": 2555.0, "totalRetentionInDaysAsDefault": false}))
	deployedIn(t, deploy.Surroundings{World: w}, nil)
	want := ours(t)
	delete(want, "created_t") // there in another case
	maps.Copy(want, before)
	if diff := cmp.Diff(want, columns(w, eventsTable)); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	got := dig(w.Get(eventsTable), "properties").(map[string]any)
	if got["retentionInDays"] != 365.0 || got["totalRetentionInDays"] != 2555.0 || got["plan"] != "Analytics" {
		t.Errorf("the table's retention became %v, %v, plan %v", got["retentionInDays"], got["totalRetentionInDays"], got["plan"])
	}
	puts := len(w.History)
	deployedIn(t, deploy.Surroundings{World: w}, nil)
	if slices.ContainsFunc(w.History[puts:], func(id string) bool { return strings.Contains(id, "/tables/") }) {
		t.Error("tables with all columns are written again")
	}
}

// A table on another plan stays there. Its retention is the plan's, and can't be sent.
func TestTableKeepsItsPlan(t *testing.T) {
	w := deploy.NewWorld()
	w.Put(eventsTable, standing("DataCollectionRuleBased", nil, map[string]any{"plan": "Basic", "retentionInDays": 30.0, "retentionInDaysAsDefault": false}))
	deployedIn(t, deploy.Surroundings{World: w}, nil)
	got := dig(w.Get(eventsTable), "properties").(map[string]any)
	if _, sent := got["retentionInDays"]; sent || got["plan"] != "Basic" {
		t.Errorf("plan %v, retention %v", got["plan"], got["retentionInDays"])
	}
}

// A deployment that says so replaces the columns.
func TestReplacingColumnsIsAChoice(t *testing.T) {
	w := deploy.NewWorld()
	w.Put(eventsTable, standing("DataCollectionRuleBased", map[string]string{"attributes_badge_s": "string"}, nil))
	deployedIn(t, deploy.Surroundings{World: w}, map[string]any{"makeTables": "new"})
	if diff := cmp.Diff(ours(t), columns(w, eventsTable)); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

// A classic table stops the deployment with its name and what to do, ahead of the storage
// account, the vault and the site. It is not touched.
func TestClassicTableIsNamed(t *testing.T) {
	for late := range 40 {
		w := deploy.NewWorld()
		classic := standing("Classic", map[string]string{"id_s": "string"}, nil)
		w.Put(eventsTable, classic)
		_, err := read(t).Resolve(deploy.Surroundings{World: w, Late: late}, needed(nil))
		if err == nil || !strings.Contains(err.Error(), "SailPointIDN_Events_CL is a classic table") || !strings.Contains(err.Error(), "table migrate") {
			t.Fatalf("a classic table gives %v", err)
		}
		if diff := cmp.Diff(classic, w.Get(eventsTable)); diff != "" {
			t.Errorf("the table changed:\n%s", diff)
		}
		for _, id := range w.History {
			if strings.Contains(id, "/Microsoft.Storage/") || strings.Contains(id, "/Microsoft.KeyVault/") || strings.Contains(id, "/Microsoft.Web/sites") {
				t.Errorf("%s was made all the same", id)
			}
		}
	}
}

// With the Data Collector API nobody asks what the tables are.
func TestClassicTableWithDataCollector(t *testing.T) {
	w := deploy.NewWorld()
	w.Put(eventsTable, standing("Classic", map[string]string{"id_s": "string"}, nil))
	deployedIn(t, deploy.Surroundings{World: w, WorkspaceKey: canaryKey}, map[string]any{"ingestionApi": "DataCollector", "legacyStorageAccountId": legacyAccount})
}
