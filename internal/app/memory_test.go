package app_test

import (
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

func TestMemoryLimit(t *testing.T) {
	for limit, want := range map[int]int64{0: 48 << 20, 1: 48 << 20, 1000: 48 << 20, 10_000: 48<<20 + 9000*10<<10} {
		if got := app.MemoryLimit(config.Settings{Connections: []config.Connection{{Sources: []config.Source{&config.SailPoint{Limit: limit}}}}}); got != want {
			t.Errorf("%d for pages of %d, want %d", got, limit, want)
		}
	}
}
