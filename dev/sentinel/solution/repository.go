package solution

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// list makes the file from which the tools of the solution repository pack.
func (s *Solution) list() (map[string][]byte, error) {
	lists := s.lists(Variant{Connector: connectorFile})
	var parsers []string
	for _, f := range s.Functions {
		parsers = append(parsers, parserFile(f.Name))
	}
	text, err := pretty(object{
		"Name": Name, "Author": "Community", "Version": s.Version, "Metadata": "SolutionMetadata.json",
		"Logo":            `<img src="https://raw.githubusercontent.com/Azure/Azure-Sentinel/master/Logos/Azure_Sentinel.svg" width="75px" height="75px">`,
		"Description":     s.Description(),
		"Data Connectors": lists["Data Connectors"],
		"Parsers":         parsers, "Analytic Rules": lists["Analytic Rules"], "Hunting Queries": lists["Hunting Queries"], "Workbooks": lists["Workbooks"],
		"Playbooks": lists["Playbooks"], "Watchlists": lists["Watchlists"],
		"BasePath": "sentinel", "TemplateSpec": true, "Is1PConnector": false,
	})
	return map[string][]byte{"sentinel/Data/Solution_" + Name + ".json": text}, err
}

func parserFile(function string) string { return path.Join("Package", "Parsers", function+".yaml") }

// parser is the YAML form of a function.
type parser struct {
	ID       string `yaml:"id"`
	Function struct {
		Title       string `yaml:"Title"`
		Version     string `yaml:"Version"`
		LastUpdated string `yaml:"LastUpdated"`
	} `yaml:"Function"`
	Category      string      `yaml:"Category"`
	FunctionName  string      `yaml:"FunctionName"`
	FunctionAlias string      `yaml:"FunctionAlias"`
	Params        []parameter `yaml:"FunctionParams,omitempty"`
	Query         string      `yaml:"FunctionQuery"`
}

// parameter is one of a function. The default of a string has no quotes: the tools put them around it.
type parameter struct {
	Name    string `yaml:"Name"`
	Type    string `yaml:"Type"`
	Default string `yaml:"Default"`
}

var declaration = regexp.MustCompile(`(\w+): (\w+) = ('[^']*'|\w+(?:\([^)]*\))?)`)

func (s *Solution) parsers() (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, f := range s.Functions {
		p := parser{ID: nameID("function " + f.Name), Category: "Microsoft Sentinel Parser", FunctionName: f.Name, FunctionAlias: f.Name, Query: f.Body}
		p.Function.Title, p.Function.Version, p.Function.LastUpdated = f.Head["title"], s.Version, s.Date
		for _, m := range declaration.FindAllStringSubmatch(f.Params, -1) {
			p.Params = append(p.Params, parameter{Name: m[1], Type: m[2], Default: strings.Trim(m[3], "'")})
		}
		var b bytes.Buffer
		b.WriteString("# Generated from " + path.Join("sentinel", path.Base(path.Dir(f.File)), path.Base(f.File)) + " by make solution. DO NOT EDIT.\n")
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(p); err != nil {
			return nil, fmt.Errorf("function %s: %w", f.Name, err)
		}
		all["sentinel/"+parserFile(f.Name)] = b.Bytes()
	}
	return all, nil
}

// nameID makes a GUID that stays with a name (version 8 of RFC 9562: our own making).
func nameID(name string) string {
	h := sha256.Sum256([]byte("idn-sentinel " + name))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// customTables makes the declarations of the tables, with the columns in the
// order of the schemas.
func (s *Solution) customTables() (map[string][]byte, error) {
	types := map[string]string{"string": "String", "datetime": "DateTime", "real": "Real", "bool": "Bool", "dynamic": "Dynamic", "long": "Long", "int": "Int"}
	type column struct {
		Name string
		Type string
	}
	all := map[string][]byte{}
	for schema, text := range s.Tables {
		table, names, err := columns(text)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", schema, err)
		}
		var properties []column
		for _, n := range names {
			if types[n[1]] == "" {
				return nil, fmt.Errorf("schema %s: column %s has type %q", schema, n[0], n[1])
			}
			properties = append(properties, column{n[0], types[n[1]]})
		}
		file, err := pretty(struct {
			Name       string
			Properties []column
		}{table, properties})
		if err != nil {
			return nil, err
		}
		all["sentinel/CustomTables/"+table+".json"] = file
	}
	return all, nil
}

// columns reads {"Table": {"column": "type"}} in its order.
func columns(text []byte) (table string, pairs [][2]string, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	var words []string
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			break
		}
		if tok.Kind() == '"' {
			words = append(words, tok.String())
		}
	}
	if len(words)%2 != 1 {
		return "", nil, fmt.Errorf("want one table with columns and types, got %d words", len(words))
	}
	for pair := range slices.Chunk(words[1:], 2) {
		pairs = append(pairs, [2]string{pair[0], strings.ToLower(pair[1])})
	}
	return words[0], pairs, nil
}
