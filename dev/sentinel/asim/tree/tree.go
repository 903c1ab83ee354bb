// Package tree makes the ASIM part of a tree of the public solution repository
// (Azure/Azure-Sentinel): parsers in its ASIM format, which depend on no function of a
// solution, their changelogs, their lines in the union parsers, and sample data.
//
// Everything comes from sentinel/asim and sentinel/parsers: a parser's query has the
// functions that it calls as let statements before it.
package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// Version of the parsers as the repository counts them. A change of a parser raises it, and
// has a line of its own in [changelog].
const Version = "0.1.0"

// Parser is a file of the repository.
type Parser struct {
	Schema  string
	Product string // SailPointISC or SailPointIIQ
	Kind    string // vim: with filters; ASim: without

	function  content.Function
	functions []content.Function // all
}

// Name of the parser, and of its file.
func (p Parser) Name() string { return p.Kind + p.Schema + p.Product }

// BuiltIn is the parser's name once Microsoft has built it in.
func (p Parser) BuiltIn() string {
	return map[string]string{"vim": "_Im_", "ASim": "_ASim_"}[p.Kind] + p.Schema + "_" + p.Product
}

func (p Parser) folder() string { return "Parsers/ASim" + p.Schema + "/" }

// union is the name of the union parser that has a line of this one.
func (p Parser) union() string {
	return map[string]string{"vim": "im", "ASim": "ASim"}[p.Kind] + p.Schema
}

// Parsers are all of them, in a fixed order.
func Parsers(root string) ([]Parser, error) {
	functions, err := content.Functions(filepath.Join(root, "sentinel", "parsers"), filepath.Join(root, "sentinel", "asim"))
	if err != nil {
		return nil, err
	}
	var parsers []Parser
	for _, schema := range asim.Schemas() {
		for _, product := range asim.Products() {
			for _, kind := range []string{"ASim", "vim"} {
				p := Parser{Schema: schema, Product: product, Kind: kind, functions: functions}
				i := slices.IndexFunc(functions, func(f content.Function) bool { return f.Name == p.Name() })
				if i < 0 {
					return nil, fmt.Errorf("there is no function %s", p.Name())
				}
				p.function = functions[i]
				parsers = append(parsers, p)
			}
		}
	}
	return parsers, nil
}

// Tree returns files by their path in the repository. With a checkout of it, the union
// parsers have our lines; without (nil), a file beside each has what to add.
func Tree(root string, checkout fs.FS) (map[string][]byte, error) {
	parsers, err := Parsers(root)
	if err != nil {
		return nil, err
	}
	day, err := released(root)
	if err != nil {
		return nil, err
	}
	files, err := samples(root)
	if err != nil {
		return nil, err
	}
	for _, p := range parsers {
		text, err := p.file(day)
		if err != nil {
			return nil, err
		}
		files[p.folder()+"Parsers/"+p.Name()+".yaml"] = text
		files[p.folder()+"CHANGELOG/"+p.Name()+".md"] = fmt.Appendf(nil, "# Changelog for %s.yaml\n\n## Version %s - %s\n\n- (%[3]s) Initial creation of the parser\n", p.Name(), Version, day.Format(time.DateOnly))
		if err := addToUnion(files, checkout, p, day); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// released is the day of the newest release of the content.
func released(root string) (time.Time, error) {
	notes, err := os.ReadFile(filepath.Join(root, "sentinel", "ReleaseNotes.md"))
	if err != nil {
		return time.Time{}, err
	}
	m := regexp.MustCompile(`\| (\d\d-\d\d-\d{4}) +\|`).FindSubmatch(notes)
	if m == nil {
		return time.Time{}, errors.New("ReleaseNotes.md: no row with a date DD-MM-YYYY")
	}
	return time.Parse("02-01-2006", string(m[1]))
}

type link struct {
	Title string `yaml:"Title"`
	Link  string `yaml:"Link"`
}

type parameter struct {
	Name    string    `yaml:"Name"`
	Type    string    `yaml:"Type"`
	Default yaml.Node `yaml:"Default"`
}

// form is the repository's form of a parser.
type form struct {
	Parser struct {
		Title       string    `yaml:"Title"`
		Version     yaml.Node `yaml:"Version"`
		LastUpdated string    `yaml:"LastUpdated"`
	} `yaml:"Parser"`
	Product struct {
		Name string `yaml:"Name"`
	} `yaml:"Product"`
	Normalization struct {
		Schema  string    `yaml:"Schema"`
		Version yaml.Node `yaml:"Version"`
	} `yaml:"Normalization"`
	References  []link      `yaml:"References"`
	Description string      `yaml:"Description"`
	ParserName  string      `yaml:"ParserName"`
	BuiltIn     string      `yaml:"EquivalentBuiltInParser"`
	Params      []parameter `yaml:"ParserParams"`
	Query       yaml.Node   `yaml:"ParserQuery"`
}

// Facts that the repository wants in a parser, by schema: title and address of its page
// (SCHEMA_INFO in VerifyASimParserTemplate.py).
func schemaLink(schema string) link {
	return map[string]link{
		asim.Authentication: {"ASIM Authentication Schema", "https://aka.ms/ASimAuthenticationDoc"},
		asim.AuditEvent:     {"ASIM Audit Event Schema", "https://aka.ms/ASimAuditEventDoc"},
		asim.UserManagement: {"ASIM User Management Schema", "https://aka.ms/ASimUserManagementDoc"},
	}[schema]
}

func productName(product string) (name string, page link) {
	if product == "SailPointIIQ" {
		return "SailPoint IdentityIQ", link{"SailPoint IdentityIQ documentation", "https://documentation.sailpoint.com/identityiq/help/"}
	}
	return "SailPoint Identity Security Cloud", link{"SailPoint Identity Security Cloud audit events", "https://documentation.sailpoint.com/saas/help/search/audit_events.html"}
}

func (p Parser) file(day time.Time) ([]byte, error) {
	var f form
	product, page := productName(p.Product)
	filtering := map[bool]string{true: "filtering ", false: ""}[p.Kind == "vim"]
	f.Parser.Title = fmt.Sprintf("%s ASIM %sparser for %s", strings.TrimSuffix(strings.TrimPrefix(schemaLink(p.Schema).Title, "ASIM "), " Schema"), filtering, product)
	f.Parser.Version = quoted(Version)
	f.Parser.LastUpdated = day.Format("Jan 02, 2006")
	f.Product.Name = product
	f.Normalization.Schema, f.Normalization.Version = p.Schema, quoted(asim.Version)
	f.References = []link{schemaLink(p.Schema), {"ASIM", "https://aka.ms/AboutASIM"}, page}
	f.Description = fmt.Sprintf("This ASIM parser supports %snormalizing audit events of %s to the ASIM %s normalized schema.\n", map[bool]string{true: "filtering and ", false: ""}[p.Kind == "vim"], product, p.Schema)
	f.ParserName, f.BuiltIn = p.Name(), p.BuiltIn()
	f.Params = parameters(p.function.Params)
	query, err := p.Query()
	if err != nil {
		return nil, err
	}
	f.Query = yaml.Node{Kind: yaml.ScalarNode, Value: query, Style: yaml.LiteralStyle}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func quoted(s string) yaml.Node {
	return yaml.Node{Kind: yaml.ScalarNode, Value: s, Style: yaml.SingleQuotedStyle}
}

var declaration = regexp.MustCompile(`(\w+): (\w+) = ([^,]+)`)

func parameters(params string) []parameter {
	var list []parameter
	for _, m := range declaration.FindAllStringSubmatch(params, -1) {
		value := yaml.Node{Kind: yaml.ScalarNode, Value: m[3]}
		if m[2] == "string" { // the tools put quotes around it
			value = quoted(strings.Trim(m[3], "'"))
		}
		list = append(list, parameter{m[1], m[2], value})
	}
	return list
}

// Query is the parser's query: the functions that it calls, directly or not, as let
// statements, then itself as one, and a call of that.
func (p Parser) Query() (string, error) {
	var b strings.Builder
	done := map[string]bool{}
	var write func(f content.Function, as string) error
	write = func(f content.Function, as string) error {
		if done[f.Name] {
			return nil
		}
		done[f.Name] = true
		for _, name := range content.Calls(f.Body, p.functions) {
			if name == f.Name {
				continue
			}
			i := slices.IndexFunc(p.functions, func(o content.Function) bool { return o.Name == name })
			if err := write(p.functions[i], name); err != nil {
				return err
			}
		}
		body := code(f.Body)
		if strings.Contains(body, "\t") {
			return fmt.Errorf("%s has a tab", f.Name)
		}
		fmt.Fprintf(&b, "let %s = (%s) {\n%s};\n", as, f.Params, indent(body))
		return nil
	}
	if err := write(p.function, "parser"); err != nil {
		return "", err
	}
	var arguments []string
	for _, name := range asim.Parameters(p.function) {
		arguments = append(arguments, name+" = "+name)
	}
	fmt.Fprintf(&b, "parser(%s)\n", strings.Join(arguments, ", "))
	return b.String(), nil
}

// code is a function's text without the comments of its head.
func code(body string) string {
	lines := strings.SplitAfter(body, "\n")
	for len(lines) > 0 && strings.HasPrefix(lines[0], "//") {
		lines = lines[1:]
	}
	return strings.TrimRight(strings.Join(lines, ""), "\n") + "\n"
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String()
}
