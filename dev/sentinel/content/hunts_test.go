package content_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

func TestHuntFiles(t *testing.T) {
	hunts := load(t, content.Hunts)
	if len(hunts) < 12 {
		t.Errorf("%d hunting queries, want 12 or more", len(hunts))
	}
	names := map[string]bool{}
	for _, h := range hunts {
		t.Run(h.File, func(t *testing.T) {
			if !guid.MatchString(h.ID) || !version.MatchString(h.Version) || names[h.Name] || len(h.Description) < 40 {
				t.Errorf("id %q, version %q, name %q, description %q", h.ID, h.Version, h.Name, h.Description)
			}
			names[h.Name] = true
			for _, problem := range slices.Concat(attack(h.Tactics, h.RelevantTechniques), connectors(h.Query, h.RequiredDataConnectors), unknown(t, h.Query)) {
				t.Error(problem)
			}
		})
	}
}

// TestHunts: no error in a workspace without tables, the columns of entities
// are there, and the examples come out. An example also has rows that must not.
func TestHunts(t *testing.T) {
	examples := load(t, content.Examples)
	none := kqltest.Load(t)
	for _, h := range load(t, content.Hunts) {
		t.Run(h.File, func(t *testing.T) {
			c := none.Check(t, h.Query)
			if len(c.Errors) > 0 {
				t.Fatal(strings.Join(c.Errors, "\n"))
			}
			for _, problem := range undefined(content.Rule{EntityMappings: h.EntityMappings}, c.Columns) {
				t.Error(problem)
			}
			e := examples[h.File]
			if len(e.Fires) == 0 {
				t.Error("no example")
			}
			for _, c := range slices.Concat(e.Fires, e.Quiet) {
				if diff := cmp.Diff(wanted(t, c), got(t, scene(t, c, kqltest.ISCTable).Run(t, h.Query), c)); diff != "" {
					t.Errorf("%s (-want +got)\n%s", c.Says, diff)
				}
			}
		})
	}
}
