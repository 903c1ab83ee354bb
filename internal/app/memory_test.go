package app_test

import (
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

func TestMemoryLimit(t *testing.T) {
	for _, tc := range []struct {
		limits []int // of the connections
		want   int64
	}{
		{nil, 43 << 20},
		{[]int{0}, 43 << 20},
		{[]int{1}, 43 << 20},
		{[]int{1000}, 43 << 20},
		{[]int{10_000}, 43<<20 + 9000*10<<10},
		{[]int{1000, 250, 1000}, 55 << 20},
		{[]int{1000, 10_000}, 49<<20 + 9000*10<<10},
	} {
		var s config.Settings
		for _, limit := range tc.limits {
			s.Connections = append(s.Connections, config.Connection{Sources: []config.Source{&config.SailPoint{Limit: limit}}})
		}
		if got := app.MemoryLimit(s); got != tc.want {
			t.Errorf("%d for pages of %v, want %d", got, tc.limits, tc.want)
		}
	}
}
