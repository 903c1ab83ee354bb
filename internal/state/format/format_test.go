package format_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

func TestJSON(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"empty":        {" \n", "it is empty"},
		"truncated":    {`{"version":1`, "truncated or not valid JSON"},
		"a list":       {`[1]`, "truncated or not valid JSON"},
		"no version":   {`{"n":1}`, "names no version"},
		"version 0":    {`{"version":0,"n":1}`, "names no version"},
		"another form": {`{"version":2,"n":"1"}`, "form of version 2"},
		"newer":        {`{"version":3,"n":"1"}`, "(format 3, this one knows 2): upgrade this app"},
		"older":        {`{"version":1,"n":7}`, ""},
		"known":        {`{"version":2,"n":7}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got struct {
				N int `json:"n"`
			}
			err := format.JSON([]byte(test.text), 2, &got)
			if test.says == "" {
				if err != nil || got.N != 7 {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, format.ErrNewer) != (name == "newer") {
				t.Errorf("%v, want it to say %q", err, test.says)
			}
			_, err = format.Header([]byte(test.text+"\nbody"), 2, &got)
			if err == nil || errors.Is(err, format.ErrNewer) != (name == "newer") {
				t.Errorf("as a header: %v", err)
			}
		})
	}
	var got struct{}
	if _, err := format.Header([]byte(`{"version":1}`), 1, &got); err == nil {
		t.Error("a header that does not end: no error")
	}
	if body, err := format.Header([]byte("{\"version\":1}\na\nb"), 1, &got); err != nil || string(body) != "a\nb" {
		t.Errorf("body %q, %v", body, err)
	}
}

func TestLine(t *testing.T) {
	type object struct {
		Version int    `json:"version"`
		Text    string `json:"text"`
	}
	line, err := format.Line(object{1, "a\xffb"})
	if err != nil || string(line) != "{\"version\":1,\"text\":\"a\ufffdb\"}\n" {
		t.Fatalf("%q, %v", line, err)
	}
	var got object
	if body, err := format.Header(line, 1, &got); err != nil || len(body) > 0 || got.Text != "a\ufffdb" {
		t.Errorf("%+v, %q, %v", got, body, err)
	}
	if line, err := format.Line(func() {}); err == nil || line != nil {
		t.Errorf("what is not JSON: %q, %v", line, err)
	}
}

func TestTimes(t *testing.T) {
	west, east := time.FixedZone("", -3600), time.FixedZone("", 3600)
	for name, test := range map[string]struct {
		at              time.Time
		writable, dated bool
	}{
		"zero":                    {time.Time{}, true, false},
		"today":                   {time.Date(2026, 9, 24, 0, 0, 0, 0, time.UTC), true, true},
		"year 1":                  {time.Date(1, 12, 31, 0, 0, 0, 0, time.UTC), true, false},
		"year 2":                  {time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC), true, true},
		"year 9999, 10000 in UTC": {time.Date(9999, 12, 31, 23, 30, 0, 0, west), false, false},
		"year 1, 0 in UTC":        {time.Date(1, 1, 1, 0, 30, 0, 0, east), false, false},
	} {
		if format.Writable(test.at) != test.writable || format.Dated(test.at) != test.dated {
			t.Errorf("%s: writable %t, dated %t", name, format.Writable(test.at), format.Dated(test.at))
		}
		if test.writable {
			if _, err := format.UTC(test.at).MarshalJSON(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		got := test.at
		if err := format.Normalize([]*time.Time{&got}); (err == nil) != test.writable || !got.Equal(test.at) || err == nil && got.Location() != time.UTC {
			t.Errorf("%s: normalized to %v, %v", name, got, err)
		}
	}
}
