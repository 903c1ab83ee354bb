package kqltest_test

import (
	"testing"

	"github.com/go-json-experiment/json"
)

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
