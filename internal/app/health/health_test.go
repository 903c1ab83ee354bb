package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app/health"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

func TestRecord(t *testing.T) {
	ended := time.Date(2026, 9, 1, 14, 0, 0, 0, time.FixedZone("CEST", 7200))
	run := health.Run{ID: "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1", Org: "acme", Version: "v1.2.3", Ended: ended, Throttled: 2, Deprecated: true}
	tests := map[string]struct {
		rep  pipeline.Report
		want string
	}{
		"drained": {
			pipeline.Report{
				Stream: "SailPointIDN_Events", State: pipeline.Drained, Fetched: 10, Sent: 8, Duplicates: 1, Conformed: 3, Quarantined: 1,
				Batches: 2, Retries: 1, LagSeconds: 60.5, Seconds: 1.25, Spooled: 9, WindowsChecked: 4, Mismatches: 5, Repaired: 6, Unexplained: 7, AuditedThrough: time.Date(2026, 9, 1, 11, 55, 0, 0, time.UTC),
			},
			`{"ended":"2026-09-01T12:00:00Z","stream":"SailPointIDN_Events","state":"drained","fetched":10,"sent":8,"duplicates":1,"conformed":3,"quarantined":1,"quarantine_waiting":7,"spooled":9,"batches":2,"retries":1,"throttled":2,"lag_seconds":60.5,"seconds":1.25,"deprecated":true,"audited_through":"2026-09-01T11:55:00Z","windows_checked":4,"mismatches":5,"repaired":6,"unexplained":7,"org":"acme","version":"v1.2.3","run_id":"0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"}`,
		},
		"failed": {
			pipeline.Report{Connection: "globex", Stream: "SailPointIDN_Triggers", State: pipeline.Failed, Error: "no", Warnings: []string{"a", "b"}},
			`{"ended":"2026-09-01T12:00:00Z","stream":"SailPointIDN_Triggers","state":"failed","fetched":0,"sent":0,"duplicates":0,"conformed":0,"quarantined":0,"quarantine_waiting":7,"spooled":0,"batches":0,"retries":0,"throttled":2,"lag_seconds":0,"seconds":0,"error":"no","warnings":"a; b","deprecated":true,"windows_checked":0,"mismatches":0,"repaired":0,"unexplained":0,"connection":"globex","org":"acme","version":"v1.2.3","run_id":"0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rec, err := health.Record(run, tt.rep, 7)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(rec.Raw)); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
			if want := run.ID + "/" + tt.rep.Stream; rec.ID != want || !rec.Time.Equal(ended) {
				t.Errorf("record %q at %v", rec.ID, rec.Time)
			}
		})
	}
}

func TestLongTextsAreBounded(t *testing.T) {
	rec, err := health.Record(health.Run{}, pipeline.Report{Error: "x" + strings.Repeat("ü", 100_000)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(rec.Raw, &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got.Error); n < 3000 || n > 5000 {
		t.Errorf("error of %d bytes", n)
	}
}
