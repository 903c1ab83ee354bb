package asim_test

import (
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim/checks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// Every parser has the fields of its schema, with the schema's types and values.
func TestParsersKeepToTheirSchemas(t *testing.T) {
	docs := rowsToCompare(t)
	s := kqltest.NewScene(t, now, "events-isc", "iiq-audit-dcr")
	s.ISC(docs...)
	s.DCR(kqltest.IIQTable, iiqDocs(t)...)
	for _, schema := range asim.Schemas() {
		for _, product := range []string{"ISC", "IIQ"} {
			parser := "vim" + schema + "SailPoint" + product
			out := s.Run(t, parser)
			if len(out.Rows) < 3 {
				t.Errorf("%s: only %d rows", parser, len(out.Rows))
			}
			for _, p := range append(checks.Schema(schema, out.Columns), checks.Data(schema, out)...) {
				t.Errorf("%s: %s", parser, p)
			}
		}
	}
}
