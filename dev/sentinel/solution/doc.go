// Package solution makes, from the content in the folder sentinel, what
// deploys and describes it:
//
//   - sentinel/Package/mainTemplate.json and createUiDefinition.json: one ARM
//     template with all of it, and the form in the portal
//   - sentinel/Package/Parsers/*.yaml: the functions as the tools of the public
//     solution repository read them
//   - sentinel/Data/Solution_SailPointIdentityNow.json: what those tools pack
//   - sentinel/CustomTables/*.json: tables as their query check reads them
//   - docs/detections.md: rules and hunting queries for people
//
// Command dev/solution (make solution) writes the files; a test fails when
// they are not what the content says. The same content always gives the same
// bytes: nothing depends on the time or the machine.
package solution

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// Name of the solution, and id of its connector, as the earlier solution had them.
const Name = "SailPointIdentityNow"

// Solution is the whole content.
type Solution struct {
	Functions []content.Function
	Unifying  []content.Function // custom unifying functions of ASIM, which belong to the workspace
	Rules     []content.Rule
	Hunts     []content.Hunt
	Workbooks []content.Workbook
	Examples  map[string]content.Example
	Connector []byte // the connector page, JSON
	Tables    map[string][]byte
	Version   string // the newest in ReleaseNotes.md
	Date      string // its day, YYYY-MM-DD
}

// release is the first row of ReleaseNotes.md.
var release = regexp.MustCompile(`\| (\d+\.\d+\.\d+) +\| (\d\d)-(\d\d)-(\d{4}) +\|`)

// Load reads the content of a checkout.
func Load(root string) (*Solution, error) {
	var s Solution
	var err error
	sentinel := filepath.Join(root, "sentinel")
	if s.Functions, err = content.Functions(filepath.Join(sentinel, "parsers"), filepath.Join(sentinel, "asim")); err != nil {
		return nil, err
	}
	if s.Unifying, err = content.Functions(filepath.Join(sentinel, "asim", "unifying")); err != nil {
		return nil, err
	}
	if s.Rules, err = content.Rules(sentinel); err != nil {
		return nil, err
	}
	if s.Hunts, err = content.Hunts(sentinel); err != nil {
		return nil, err
	}
	if s.Workbooks, err = content.Workbooks(sentinel); err != nil {
		return nil, err
	}
	if s.Examples, err = content.Examples(sentinel); err != nil {
		return nil, err
	}
	if s.Connector, err = os.ReadFile(filepath.Join(sentinel, connectorFile)); err != nil {
		return nil, err
	}
	s.Tables = map[string][]byte{}
	for _, name := range []string{"events-classic", "events-isc", "triggers-classic", "health"} {
		if s.Tables[name], err = os.ReadFile(filepath.Join(sentinel, "schemas", name+".json")); err != nil {
			return nil, err
		}
	}
	notes, err := os.ReadFile(filepath.Join(sentinel, "ReleaseNotes.md"))
	if err != nil {
		return nil, err
	}
	m := release.FindStringSubmatch(string(notes))
	if m == nil {
		return nil, errors.New("ReleaseNotes.md: no row with a version and a date DD-MM-YYYY")
	}
	s.Version, s.Date = m[1], m[4]+"-"+m[3]+"-"+m[2]
	return &s, nil
}

// Generate returns the generated files by path from the root of the checkout.
func (s *Solution) Generate() (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, part := range []func() (map[string][]byte, error){s.template, s.form, s.list, s.parsers, s.customTables, s.detections} {
		some, err := part()
		if err != nil {
			return nil, err
		}
		maps.Copy(all, some)
	}
	return all, nil
}
