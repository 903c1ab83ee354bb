package fanout_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
)

// What an earlier version has put into a queue, a later one must read.
const golden = `{"version":1,"app":"app-1","connection":"acme","tenant":"acme-prod","tick":"2026-09-24T13:08:00Z","expires":"2026-09-24T13:10:00Z"}`

func sample() fanout.Message {
	tick := time.Date(2026, 9, 24, 13, 8, 0, 0, time.UTC)
	return fanout.Message{Version: 1, App: "app-1", Connection: "acme", Tenant: "acme-prod", Tick: tick, Expires: tick.Add(2 * time.Minute)}
}

func TestGolden(t *testing.T) {
	local := sample()
	local.Tick = local.Tick.In(time.FixedZone("CEST", 7200))
	text, err := fanout.Encode(local)
	if err != nil || text != golden {
		t.Errorf("encoded as %s, %v", text, err)
	}
	got, err := fanout.Decode([]byte(golden))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

// What can't be read is named, and nothing of it is quoted: anybody may have written it.
func TestOddMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		text, says string
		newer      bool
	}{
		"newer":        {strings.Replace(golden, `"version":1`, `"version":2`, 1), "newer version", true},
		"no JSON":      {"canary!", "7 bytes that are not a message of this app", false},
		"empty":        {"", "0 bytes", false},
		"a list":       {`["canary"]`, "not a message of this app", false},
		"no version":   {`{"connection":"canary"}`, "not a message of this app", false},
		"no moment":    {`{"version":1,"connection":"canary"}`, "names no moment", false},
		"another form": {`{"version":1,"connection":{"canary":1}}`, "not a message of this app", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fanout.Decode([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary") || errors.Is(err, fanout.ErrNewer) != tc.newer {
				t.Errorf("%v, want it to say %q", err, tc.says)
			}
		})
	}
}

func TestStale(t *testing.T) {
	m := sample()
	for name, tc := range map[string]struct {
		expires time.Time
		now     time.Duration // after the tick
		want    bool
	}{
		"fresh":               {m.Expires, time.Second, false},
		"one tick later":      {m.Expires, 119 * time.Second, false},
		"two ticks later":     {m.Expires, 2 * time.Minute, true},
		"a day later":         {m.Expires, 24 * time.Hour, true},
		"before its tick":     {m.Expires, -time.Hour, false},
		"no tick comes after": {time.Time{}, 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := m
			m.Expires = tc.expires
			if got := m.Stale(m.Tick.Add(tc.now)); got != tc.want {
				t.Errorf("stale: %v", got)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(golden)
	f.Add(`{"version":1,"tick":"0000-01-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := fanout.Decode([]byte(text))
		if err != nil {
			return
		}
		again, err := fanout.Encode(m)
		if err != nil {
			t.Fatalf("%q can't be encoded again: %v", text, err)
		}
		if other, err := fanout.Decode([]byte(again)); err != nil || !other.Tick.Equal(m.Tick) || !other.Expires.Equal(m.Expires) || other.Connection != m.Connection {
			t.Errorf("%q became %q: %v", text, again, err)
		}
	})
}
