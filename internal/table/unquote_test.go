package table

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// A long string is parted as if it were unquoted in one go.
func TestUnquoteLong(t *testing.T) {
	parts := []string{"x", "plain text ", "é", "漢", "😀", "\xff", "\xe2\x82", `\n`, `\\`, `\"`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\ude00`}
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		b.WriteByte('"')
		for b.Len() < 600_000 {
			if seed%2 == 0 && r.IntN(20) > 0 {
				b.WriteString(strings.Repeat("a", 1+r.IntN(40)))
			}
			b.WriteString(parts[r.IntN(len(parts))])
		}
		b.WriteByte('"')
		value := jsontext.Value(b.String())
		want, wantErr := jsontext.AppendUnquote(nil, value)
		text, n, err := unquote(value, 32_000)
		if n != len(want) || !bytes.HasPrefix(want, text) || len(text) <= 32_000 || (err == nil) != (wantErr == nil) {
			t.Errorf("seed %d: %d bytes, %d in all, error %v; want %d and %v", seed, len(text), n, err, len(want), wantErr)
		}
	}
}
