package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// File is what the checks read of a parser or union parser of the repository.
type File struct {
	Parser struct {
		Title       string `yaml:"Title"`
		Version     string `yaml:"Version"`
		LastUpdated string `yaml:"LastUpdated"`
	} `yaml:"Parser"`
	Product struct {
		Name string `yaml:"Name"`
	} `yaml:"Product"`
	Normalization struct {
		Schema  string `yaml:"Schema"`
		Version string `yaml:"Version"`
	} `yaml:"Normalization"`
	References []struct {
		Title string `yaml:"Title"`
		Link  string `yaml:"Link"`
	} `yaml:"References"`
	ParserName string   `yaml:"ParserName"`
	BuiltIn    string   `yaml:"EquivalentBuiltInParser"`
	Parsers    []string `yaml:"Parsers"`
	Params     []struct {
		Name    string `yaml:"Name"`
		Type    string `yaml:"Type"`
		Default string `yaml:"Default"`
	} `yaml:"ParserParams"`
	Query string `yaml:"ParserQuery"`
}

// Read reads a file of the repository.
func Read(text []byte) (File, error) {
	var f File
	if err := yaml.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("read parser: %w", err)
	}
	return f, nil
}

// schemaInfo is the title and the address of a schema's page, as VerifyASimParserTemplate.py
// has them; the version is 1.0.0 for all.
func schemaInfo(schema string) (title, address string, ok bool) {
	info, ok := map[string][2]string{
		"AuditEvent":     {"ASIM Audit Event Schema", "https://aka.ms/ASimAuditEventDoc"},
		"Authentication": {"ASIM Authentication Schema", "https://aka.ms/ASimAuthenticationDoc"},
		"UserManagement": {"ASIM User Management Schema", "https://aka.ms/ASimUserManagementDoc"},
	}[schema]
	return info[0], info[1], ok
}

const schemaVersion = "1.0.0"

var (
	literalProduct = regexp.MustCompile(`EventProduct\s*=\s*['"]([^'"]+)['"]`)
	literalVendor  = regexp.MustCompile(`EventVendor\s*=\s*['"]([^'"]+)['"]`)
	threeDigits    = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
)

// Template is the port of extract_and_check_properties of VerifyASimParserTemplate.py. kind is
// ASim or vim; sample says whether there is a file in Sample Data/ASIM, with that name.
func Template(parser, union File, kind string, sample func(name string) bool) []string {
	var problems []string
	must := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	product, vendor := literalProduct.FindStringSubmatch(parser.Query), literalVendor.FindStringSubmatch(parser.Query)
	must(product != nil, "EventProduct is not in the query as text")
	must(vendor != nil, "EventVendor is not in the query as text")
	must(parser.ParserName != "" && strings.Contains(union.Query, parser.ParserName), "ParserName %q is not in the query of the union parser", parser.ParserName)
	must(parser.BuiltIn != "" && slices.Contains(union.Parsers, parser.BuiltIn), "EquivalentBuiltInParser %q is not in the list of the union parser", parser.BuiltIn)
	must(parser.Parser.Title != "", "there is no title")
	must(threeDigits.MatchString(parser.Parser.Version), "version %q has not three numbers", parser.Parser.Version)
	_, err := time.Parse("Jan 2, 2006", parser.Parser.LastUpdated)
	must(err == nil, "LastUpdated %q is no date like Jun 29, 2024", parser.Parser.LastUpdated)
	title, address, known := schemaInfo(parser.Normalization.Schema)
	must(known, "schema %q is not known", parser.Normalization.Schema)
	must(parser.Normalization.Version == schemaVersion, "the schema's version is %q and should be %s", parser.Normalization.Version, schemaVersion)
	of := map[string]string{title: address, "ASIM": "https://aka.ms/AboutASIM"}
	must(len(parser.References) > 0, "there are no references")
	for _, r := range parser.References {
		want, ours := of[r.Title]
		must(!ours || r.Link == want, "reference %q leads to %s and should to %s", r.Title, r.Link, want)
		delete(of, r.Title)
	}
	for missing := range of { // the original lets this pass
		must(false, "there is no reference %q", missing)
	}
	must(strings.HasPrefix(parser.ParserName, kind+parser.Normalization.Schema), "ParserName %q does not begin with %s", parser.ParserName, kind+parser.Normalization.Schema)
	prefix := map[string]string{"ASim": "_ASim_", "vim": "_Im_"}[kind] + parser.Normalization.Schema + "_"
	must(strings.HasPrefix(parser.BuiltIn, prefix), "EquivalentBuiltInParser %q does not begin with %s", parser.BuiltIn, prefix)
	if kind == "ASim" && product != nil && vendor != nil {
		name := fmt.Sprintf("%s_%s_%s_IngestedLogs.csv", vendor[1], product[1], parser.Normalization.Schema)
		must(sample(name), "there is no sample %s", name)
	}
	return problems
}
