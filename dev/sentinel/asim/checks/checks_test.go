package checks_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim/checks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// sound is a table that a schema has no complaint about, with one row.
func sound(schema string) kqltest.Table {
	out := kqltest.Table{Rows: []kqltest.Row{{}}}
	for _, f := range checks.Fields(schema) {
		if strings.HasPrefix(f.Name, "Rule") || strings.HasPrefix(f.Name, "ActingProcess") || f.Name == "Process" {
			continue
		}
		out.Columns = append(out.Columns, kqltest.Column{Name: f.Name, Type: f.Type})
		value := map[string]string{"Hostname": "web1", "IP Address": "192.0.2.7", "Domain": "example.com", "FQDN": "web1.example.com"}[f.Logical]
		switch {
		case f.Logical == "Enumerated":
			value = f.Values[0]
		case value == "":
			value = "x"
		}
		out.Rows[0][f.Name] = value
	}
	for _, f := range checks.Fields(schema) {
		if _, there := out.Rows[0][f.Name]; there && f.Class == "Alias" {
			out.Rows[0][f.Name] = out.Rows[0][f.Aliased]
		}
	}
	return out
}

// Each fault is noticed, and nothing is noticed where there is none.
func TestFaultsOfFields(t *testing.T) {
	without := func(out kqltest.Table, name string) kqltest.Table {
		out.Columns = slices.DeleteFunc(slices.Clone(out.Columns), func(c kqltest.Column) bool { return c.Name == name })
		return out
	}
	with := func(name string, value any) func(kqltest.Table) kqltest.Table {
		return func(out kqltest.Table) kqltest.Table {
			out.Rows = []kqltest.Row{maps.Clone(out.Rows[0])}
			out.Rows[0][name] = value
			return out
		}
	}
	drop := func(name string) func(kqltest.Table) kqltest.Table {
		return func(out kqltest.Table) kqltest.Table { return without(out, name) }
	}
	retype := func(name, typ string) func(kqltest.Table) kqltest.Table {
		return func(out kqltest.Table) kqltest.Table {
			out = without(out, name)
			out.Columns = append(out.Columns, kqltest.Column{Name: name, Type: typ})
			return out
		}
	}
	for _, schema := range asim.Schemas() {
		for fault, tc := range map[string]struct {
			spoil func(kqltest.Table) kqltest.Table
			want  string
		}{
			"nothing":              {func(out kqltest.Table) kqltest.Table { return out }, ""},
			"no mandatory field":   {drop("EventResult"), "missing mandatory field [EventResult]"},
			"no recommended field": {drop("DvcIpAddr"), "missing recommended field [DvcIpAddr]"},
			"no conditional field": {drop("ActorUsernameType"), "missing field [ActorUsernameType]"},
			"no alias":             {drop("IpAddr"), "missing alias [IpAddr]"},
			"another type":         {retype("EventCount", "long"), "[EventCount] is long"},
			"an unknown column":    {retype("ActorName", "string"), "extra column [ActorName]"},
			"an empty field":       {with("EventVendor", ""), "[EventVendor] is mandatory and empty"},
			"an unknown value":     {with("EventType", "Login"), "[EventType] has a value that is no Enumerated"},
			"no address":           {with("SrcIpAddr", "laptop"), "[SrcIpAddr] has a value that is no IP Address"},
			"no host name":         {with("DvcHostname", "web1.example.com"), "[DvcHostname] has a value that is no Hostname"},
			"no domain":            {with("DvcDomain", "ex ample"), "[DvcDomain] has a value that is no Domain"},
			"no full name":         {with("DvcFQDN", "web1"), "[DvcFQDN] has a value that is no FQDN"},
			"another alias":        {with("User", "somebody"), "[User] is not the same as"},
			"no type of a name":    {with("ActorUsernameType", ""), "[ActorUsernameType] is empty beside"},
			"another version":      {with("EventSchemaVersion", "0.1.2"), "[EventSchemaVersion] has a value"},
		} {
			out := tc.spoil(sound(schema))
			problems := strings.Join(append(checks.Schema(schema, out.Columns), checks.Data(schema, out)...), "\n")
			if (tc.want == "") != (problems == "") || !strings.Contains(problems, tc.want) {
				t.Errorf("%s, %s: problems %q, want one with %q", schema, fault, problems, tc.want)
			}
		}
	}
	// Those of one schema.
	for _, tc := range []struct{ schema, field, value, want string }{
		{asim.UserManagement, "UpdatedPropertyName", "department", "[UpdatedPropertyName] is not the same as EventSubType"},
		{asim.UserManagement, "GroupIdType", "Other", "[GroupIdType] has a value"},
		{asim.UserManagement, "Hostname", "web2", "[Hostname] is not the same as DvcHostname"},
		{asim.AuditEvent, "ObjectType", "Account", "[ObjectType] has a value"},
		{asim.AuditEvent, "Value", "other", "[Value] is not the same as NewValue"},
		{asim.Authentication, "EventResultDetails", "Bad password", "[EventResultDetails] has a value"},
		{asim.Authentication, "LogonMethod", "Password", "[LogonMethod] has a value"},
	} {
		out := with(tc.field, tc.value)(sound(tc.schema))
		if problems := strings.Join(checks.Data(tc.schema, out), "\n"); !strings.Contains(problems, tc.want) {
			t.Errorf("%s %s: problems %q, want one with %q", tc.schema, tc.field, problems, tc.want)
		}
	}
}
