// Package checks is what the public solution repository (Azure/Azure-Sentinel) asks
// of an ASIM parser, in code of its own:
//
//   - [Schema] and [Data]: the testers ASIM/dev/ASimTester/Testers/ASimSchemaTester.yaml and
//     ASimDataTester.yaml, on facts of ASimTester.csv, restated in fields.csv for the three
//     schemas used here, and of Microsoft's schema pages (learn.microsoft.com,
//     normalization-schema-*), as of August 2026
//   - [Template]: .script/tests/asimParsersTest/VerifyASimParserTemplate.py
//   - [Filtering]: .script/tests/asimParsersTest/ASimFilteringTest.py
//
// They are stricter than the originals where that costs nothing: an enumerated value
// must be one of the list and not only a word in it, an alias must equal what it
// aliases in each row, and every problem counts.
package checks

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// Field is what a schema says about a column.
type Field struct {
	Name, Type string
	Class      string // Mandatory, Recommended, Conditional, Alias, Optional
	Logical    string // Enumerated, Hostname, IP Address, Domain, FQDN, URL
	Values     []string
	Aliased    string // what an alias is the same as, and what a conditional field depends on
}

//go:embed fields.csv
var fieldsCSV string

// Fields are the fields of a schema. One of the schema itself goes before one of all.
func Fields(schema string) []Field {
	lines, err := csv.NewReader(strings.NewReader(fieldsCSV)).ReadAll()
	if err != nil {
		panic(err) // it is in the binary
	}
	var fields []Field
	for _, l := range lines[1:] {
		f := Field{Name: l[1], Type: l[2], Class: l[3], Logical: l[4], Aliased: l[6]}
		if l[5] != "" {
			f.Values = strings.Split(l[5], "|")
		}
		i := slices.IndexFunc(fields, func(o Field) bool { return o.Name == f.Name })
		switch {
		case l[0] != schema && l[0] != "all":
		case i < 0:
			fields = append(fields, f)
		case l[0] == schema:
			fields[i] = f
		}
	}
	return fields
}

// Schema says what the columns of a parser lack, have too much, or have with another type.
// A field that a schema recommends must be there, if only empty.
func Schema(schema string, columns []kqltest.Column) []string {
	types := map[string]string{}
	for _, c := range columns {
		types[c.Name] = c.Type
	}
	known := map[string]bool{}
	var problems []string
	for _, f := range Fields(schema) {
		known[f.Name] = true
		typ, there := types[f.Name]
		_, has := types[f.Aliased]
		switch {
		case there && typ != f.Type:
			problems = append(problems, fmt.Sprintf("[%s] is %s and should be %s", f.Name, typ, f.Type))
		case there:
		case f.Class == "Mandatory" || f.Class == "Recommended":
			problems = append(problems, fmt.Sprintf("missing %s field [%s]", strings.ToLower(f.Class), f.Name))
		case f.Class == "Conditional" && has:
			problems = append(problems, fmt.Sprintf("missing field [%s], mandatory when [%s] exists", f.Name, f.Aliased))
		case f.Class == "Alias" && has:
			problems = append(problems, fmt.Sprintf("missing alias [%s] of [%s]", f.Name, f.Aliased))
		}
	}
	for _, c := range columns {
		if !known[c.Name] {
			problems = append(problems, fmt.Sprintf("extra column [%s] that the schema does not know", c.Name))
		}
	}
	return problems
}

// As the data tester has them.
var (
	hostname = regexp.MustCompile(`^[a-zA-Z0-9-]{1,61}$`)
	domain   = regexp.MustCompile(`^([_a-zA-Z0-9][_a-zA-Z0-9-]{0,62}\.)*[a-zA-Z]{2,63}$`)
	fqdn     = regexp.MustCompile(`^([_a-zA-Z0-9][_a-zA-Z0-9-]{0,62}\.)+[a-zA-Z]{2,63}$`)
)

// Data says which values of rows a schema does not allow.
func Data(schema string, out kqltest.Table) []string {
	var problems []string
	seen := map[string]bool{}
	report := func(f Field, what string, v any) {
		p := fmt.Sprintf("[%s] %s: %q", f.Name, what, fmt.Sprint(v))
		if !seen[p] {
			seen[p] = true
			problems = append(problems, p)
		}
	}
	columns := map[string]bool{}
	for _, c := range out.Columns {
		columns[c.Name] = true
	}
	for _, f := range Fields(schema) {
		if !columns[f.Name] {
			continue
		}
		for _, row := range out.Rows {
			value, _ := row[f.Name].(string)
			switch {
			case row[f.Name] == nil || row[f.Name] == "":
				if f.Class == "Mandatory" {
					report(f, "is mandatory and empty in", row["EventOriginalUid"])
				}
				if aliased, _ := row[f.Aliased].(string); f.Class == "Conditional" && aliased != "" {
					report(f, "is empty beside", aliased)
				}
			case !allowed(f, value):
				report(f, "has a value that is no "+f.Logical, value)
			}
			if f.Class == "Alias" && row[f.Name] != row[f.Aliased] {
				report(f, "is not the same as "+f.Aliased, row[f.Name])
			}
		}
	}
	return problems
}

func allowed(f Field, value string) bool {
	switch f.Logical {
	case "Enumerated":
		return slices.Contains(f.Values, value)
	case "IP Address":
		_, err := netip.ParseAddr(value)
		return err == nil
	case "Hostname":
		return hostname.MatchString(value)
	case "Domain":
		return domain.MatchString(value)
	case "FQDN":
		return fqdn.MatchString(value)
	}
	return true
}
