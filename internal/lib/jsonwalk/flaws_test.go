package jsonwalk_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// Broken elements are confirmed when they come again the same way, and after some more pages also if
// they come differently each time: then the service is at fault, and the stream must go on.
func TestConfirm(t *testing.T) {
	for name, c := range map[string]struct {
		page func(n int) string
		want int // pages until they are confirmed
	}{
		"the same":              {func(int) string { return `[{"a":1},{"b":` + "\x01" + `}]` }, jsonwalk.Sightings},
		"different each time":   {func(n int) string { return fmt.Sprintf(`[{"a":1},{"b":odd%d}]`, n) }, jsonwalk.Patience},
		"bytes around the list": {func(int) string { return `[{"a":1}]odd` }, jsonwalk.Sightings},
	} {
		t.Run(name, func(t *testing.T) {
			var f jsonwalk.Flaws
			for n := 1; n <= c.want; n++ {
				if err := f.Recover([]byte(c.page(n)), nil, func(jsonwalk.Element) error { return nil }); err != nil {
					t.Fatal(err)
				}
				if err := f.Confirm(); err == nil != (n == c.want) || err != nil && !errors.Is(err, jsonwalk.ErrDoubtful) {
					t.Fatalf("page %d: %v, want it confirmed at page %d", n, err, c.want)
				}
			}
		})
	}
}

// An empty array is recovered only if nothing else is there: what is damaged may be a page with elements.
func TestDamagedEmptyArray(t *testing.T) {
	for page, empty := range map[string]bool{
		"[]\x00":                   true,
		"\xef\xbb\xbf [ \x00 ]\n":  true,
		"[][{\"a\":1}]":            false,
		"[]\n{\"error\":\"late\"}": false,
		"[] odd":                   false,
		"[][]":                     false,
		"[,]":                      false,
	} {
		var f jsonwalk.Flaws
		err := f.Recover([]byte(page), nil, func(e jsonwalk.Element) error {
			t.Errorf("%q has an element %q", page, e.Raw)
			return nil
		})
		var undivided *jsonwalk.Undivided
		if empty && err != nil || !empty && !errors.As(err, &undivided) {
			t.Errorf("%q: %v", page, err)
		}
	}
}
