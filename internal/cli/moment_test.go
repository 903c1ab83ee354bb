package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

var (
	noon = time.Date(2026, 9, 24, 12, 3, 4, 5, time.UTC)
	span = app.AuditRange{Window: 5 * time.Minute, From: time.Date(2026, 9, 17, 12, 5, 0, 0, time.UTC), To: time.Date(2026, 9, 24, 11, 55, 0, 0, time.UTC)}
)

func TestBetween(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     string // begin, end, "forgotten"; or a part of the error
	}{
		{"-24h", "now", "2026-09-23T12:00:00Z 2026-09-24T11:55:00Z"},
		{"2026-09-24T10:01:00Z", "2026-09-24T10:02:00Z", "2026-09-24T10:00:00Z 2026-09-24T10:05:00Z"},
		{"2026-09-24T10:00:00+02:00", "2026-09-24T11:50:00.000Z", "2026-09-24T08:00:00Z 2026-09-24T11:50:00Z"},
		{"2026-09-24T10:00:00.999Z", "NOW", "2026-09-24T10:00:00Z 2026-09-24T11:55:00Z"},
		{"-1h", "-9m", "2026-09-24T11:00:00Z 2026-09-24T11:55:00Z"},
		{"-168h", "now", "2026-09-17T12:00:00Z 2026-09-24T11:55:00Z forgotten"},
		{"2026-09-17T12:05:00Z", "now", "2026-09-17T12:05:00Z 2026-09-24T11:55:00Z"},
		{"0001-01-01T00:00:00Z", "now", "0001-01-01T00:00:00Z 2026-09-24T11:55:00Z forgotten"},

		{"-1h", "-7m", "--to -7m is too recent: the newest window that has settled ends at 2026-09-24T11:55:00Z; --to now means"},
		{"-1m", "now", "--from -1m is too recent"},
		{"-1h", "-1h", "--from -1h is not before --to -1h"},
		{"now", "-1h", "--from now is not before --to -1h: swap them"},
		{"2026-09-25T00:00:00Z", "now", "--from is 2026-09-25T00:00:00Z, which is in the future: it is 2026-09-24T12:03:04Z now"},
		{"-1h", "2026-09-24T12:03:05Z", "--to is 2026-09-24T12:03:05Z, which is in the future"},
		{"-1h", "--5m", `--to is "--5m": write a duration`},
		{"-1h", "+5m", `--to is "+5m": write it as`},
		{"", "now", `--from is "": write it as`},
		{"2026-09-24", "now", "2026-09-24T00:00:00Z 2026-09-24T11:55:00Z"},
		{"2026-09-22", "2026-09-23", "2026-09-22T00:00:00Z 2026-09-23T00:00:00Z"},
		{"yesterday", "today", "2026-09-23T00:00:00Z 2026-09-24T00:00:00Z"},
		{"Yesterday", "-1d", "2026-09-23T00:00:00Z 2026-09-23T12:05:00Z"},
		{"-1d12h", "-1d", "2026-09-23T00:00:00Z 2026-09-23T12:05:00Z"},
		{"-30d", "now", "2026-08-25T12:00:00Z 2026-09-24T11:55:00Z forgotten"},
		{"yesterday", "yesterday", "a day ends where the next one begins"},
		{"2026-09-25", "now", "--from is 2026-09-25, which is in the future"},
		{"2026-9-1", "now", `--from is "2026-9-1": write it as`},
		{"-d", "now", `--from is "-d": write a duration`},
		{"-1d-1h", "now", `--from is "-1d-1h": write a duration`},
		{"-99999999999d", "now", `--from is "-99999999999d": write a duration`},
		{"--999999h", "now", `--from is "--999999h": write a duration`},
	} {
		begin, end, forgotten, err := cli.Between(test.from, test.to, span, noon)
		got := begin.Format(time.RFC3339) + " " + end.Format(time.RFC3339)
		if forgotten {
			got += " forgotten"
		}
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s to %s: %v, want %q", test.from, test.to, err, test.want)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s to %s (-want +got):\n%s", test.from, test.to, diff)
		}
	}
}

func FuzzBetween(f *testing.F) {
	f.Add("-24h", "now")
	f.Add("2026-09-24T10:00:00+02:00", "-1h")
	f.Add("--1h", "9999-12-31T23:59:59Z")
	f.Add("-2562047h", "-1ns")
	f.Fuzz(func(t *testing.T, from, to string) {
		begin, end, forgotten, err := cli.Between(from, to, span, noon)
		if err != nil {
			return
		}
		whole := begin.Equal(begin.Truncate(span.Window)) && end.Equal(end.Truncate(span.Window))
		if !whole || !begin.Before(end) || end.After(span.To) || forgotten != begin.Before(span.From) {
			t.Errorf("%q to %q: %v to %v, forgotten %t", from, to, begin, end, forgotten)
		}
	})
}
