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
