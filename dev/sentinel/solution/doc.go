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
// [Solution.Tree] makes what is not committed, because it is large and follows
// from the rest: the files of a solution in the form of that repository, with its
// package. [Solution.Upstream] is an update of the solution that is there, and
// [Solution.Own] the same content under this project's name.
//
// Command dev/solution (make solution) writes the files; a test fails when
// those that are committed are not what the content says. The same content always gives the same
// bytes: nothing depends on the time or the machine.
package solution

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"

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
	Noise     map[string]content.Noise // by rule
	Connector []byte                   // the connector page, JSON
	Tables    map[string][]byte
	Metadata  Metadata   // SolutionMetadata.json
	Playbooks []Playbook // Playbooks/**/azuredeploy.json
	Version   string     // the newest in ReleaseNotes.md
	Date      string     // its day, YYYY-MM-DD

	// Watchlists are Watchlists/*.json by the name of the file, without extension.
	Watchlists map[string][]byte
	files      map[string][]byte // what is copied as it is, by path below sentinel
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
	if s.Noise, err = content.ReadNoise(sentinel); err != nil {
		return nil, err
	}
	if s.Connector, err = os.ReadFile(filepath.Join(sentinel, connectorFile)); err != nil {
		return nil, err
	}
	s.Tables = map[string][]byte{}
	for _, name := range []string{"events-classic", "events-isc", "events-v2", "triggers-classic", "health", "saas-reports", "iiq-audit-dcr", "iiq-syslog-dcr", "iiq-taskresults-dcr", "iiq-policyviolations-dcr", "iiq-alerts-dcr"} {
		if s.Tables[name], err = os.ReadFile(filepath.Join(sentinel, "schemas", name+".json")); err != nil {
			return nil, err
		}
	}
	if err := s.copied(sentinel); err != nil {
		return nil, err
	}
	metadata, err := os.ReadFile(filepath.Join(sentinel, "SolutionMetadata.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(metadata, &s.Metadata); err != nil {
		return nil, fmt.Errorf("read SolutionMetadata.json: %w", err)
	}
	m := release.FindSubmatch(s.files["ReleaseNotes.md"])
	if m == nil {
		return nil, errors.New("ReleaseNotes.md: no row with a version and a date DD-MM-YYYY")
	}
	s.Version, s.Date = string(m[1]), string(m[4])+"-"+string(m[3])+"-"+string(m[2])
	return &s, nil
}

// copied reads what goes into the tree of the solution repository as it is.
func (s *Solution) copied(sentinel string) error {
	s.files, s.Watchlists = map[string][]byte{}, map[string][]byte{}
	for _, folder := range []string{content.RulesFolder, content.HuntingFolder, content.WorkbooksFolder, "Playbooks", "Watchlists", "Logos", "ReleaseNotes.md"} {
		err := filepath.WalkDir(filepath.Join(sentinel, folder), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			below, err := filepath.Rel(sentinel, name)
			if err != nil {
				return err
			}
			below = filepath.ToSlash(below)
			s.files[below] = text
			switch {
			case folder == "Playbooks" && d.Name() == "azuredeploy.json":
				s.Playbooks = append(s.Playbooks, Playbook{Path: strings.TrimPrefix(below, "Playbooks/"), Text: text})
			case folder == "Watchlists" && strings.HasSuffix(below, ".json"):
				s.Watchlists[strings.TrimSuffix(d.Name(), ".json")] = text
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
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
