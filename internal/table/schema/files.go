package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Files returns the generated files by path in the repository, except docs/compatibility.md, which
// is written by hand around [Markdown].
func Files(tables []Table, asim map[string]string) (map[string][]byte, error) {
	deployment, err := NewDeployment(tables, asim).JSON()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"deploy/ingestion.json": deployment}
	for _, t := range append(slices.Clone(tables), ISC()) {
		files["deploy/transforms/"+t.Name+".kql"] = []byte("// Generated from internal/table/schema by go generate. DO NOT EDIT.\n" + t.Transform() + "\n")
	}
	for file, t := range map[string]Table{"events-dcr": Events(), "triggers-dcr": Triggers(), "health": Health(), "events-isc": ISC(), "saas-reports": Reports(), "okta": Okta()} {
		files["sentinel/schemas/"+file+".json"] = columnsJSON(t.Name, t.Columns())
	}
	for file, s := range map[string]Stream{"stream-events": eventsStream(), "stream-triggers": triggersStream(), "stream-health": healthStream(), "stream-saas-reports": reportsStream(), "stream-okta": oktaStream()} {
		files["sentinel/schemas/"+file+".json"] = columnsJSON("source", s.Columns)
	}
	for _, t := range IdentityIQ() {
		name := strings.TrimSuffix(strings.TrimPrefix(t.Name, "SailPointIIQ_"), "_CL")
		files["sentinel/schemas/iiq-"+strings.ToLower(name)+"-dcr.json"] = columnsJSON(t.Name, t.Columns())
		files["sentinel/schemas/stream-iiq-"+strings.ToLower(name)+".json"] = columnsJSON("source", t.Stream.Columns)
	}
	return files, nil
}

// columnsJSON is {"table": {"column": "type"}}, in the order of the columns.
func columnsJSON(table string, columns []Column) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n  %q: {", table)
	for i, c := range columns {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n    %q: %q", c.Name, string(c.Type))
	}
	b.WriteString("\n  }\n}\n")
	return []byte(b.String())
}
