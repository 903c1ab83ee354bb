package legacy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state/legacy"
)

// FuzzRow: whatever the old function's row holds, there is a time that a checkpoint can spell and
// that is not in the future, or a short error that names the row and what to do.
func FuzzRow(f *testing.F) {
	for _, created := range []string{
		`"2026-09-24T13:08:00.123Z"`, `"2026-09-24T13:08:00.123456Z"`, `"2026-09-24T13:08:00"`, `"2026-09-24 13:08:00.5"`, `"2026-09-24T13:08:00+0200"`,
		`" 2026-09-24T13:08:00Z\n"`, `"9999-12-31T23:59:59-23:59"`, `"0000-01-01T00:00:00Z"`, `"0001-01-01T00:00:00+23:59"`, `"2026-02-30T00:00:00Z"`, `""`, `null`, `5`, `{"a":[]}`, `"\ud800"`,
		`"` + strings.Repeat("x", 1000) + `"`,
	} {
		f.Add([]byte(`{"odata.etag":"W/\"1\"","PartitionKey":"checkpointTime","RowKey":"001","createdTime":` + created + `}`))
	}
	f.Add([]byte(`{"createdTime":"2026-09-24T13:08:00Z","createdTime":"x"}`))
	f.Add([]byte("\xff{"))
	table, err := legacy.New(legacy.Config{ServiceURL: at("https://old.table.core.windows.net"), AccountName: "old", AccountKey: secret.New("a2V5"), KeySetting: "K"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		at, err := table.ReadRow(value)
		if err != nil {
			text := err.Error()
			if len(text) > 600 || strings.ContainsAny(text, "\r\n") || !strings.Contains(text, "checkpointTime/001") || !strings.Contains(text, "LEGACY_CHECKPOINT=off") {
				t.Errorf("error %q", text)
			}
			return
		}
		if y := at.Year(); at.Location() != time.UTC || y < 1 || y > 9999 || at.IsZero() || time.Until(at) > time.Hour {
			t.Errorf("%q is read as %v", value, at)
		}
	})
}
