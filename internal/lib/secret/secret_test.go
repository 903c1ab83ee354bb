package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

const canary = "canary-4f7c"

type exported struct{ Key secret.String }

type unexported struct{ key secret.String }

func TestNothingPrintsIt(t *testing.T) {
	s := secret.New(canary)
	var out strings.Builder
	values := []any{s, &s, exported{s}, &exported{s}, unexported{s}, &unexported{s}, []secret.String{s}, map[string]secret.String{"k": s}, errors.Join(fmt.Errorf("with %v", s))}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10.3s", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		out.Write(log.Bytes())
	}
	got := out.String()
	if strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) {
		t.Errorf("secret is printed:\n%s", got)
	}
	if !strings.Contains(got, "(secret)") {
		t.Errorf("nothing says that a secret was there:\n%s", got)
	}
}

func TestReveal(t *testing.T) {
	var s secret.String
	if !s.IsZero() || s.Reveal() != "" || s.String() != "" {
		t.Errorf("zero value is not empty: %q", s.Reveal())
	}
	if err := s.UnmarshalText([]byte(canary)); err != nil {
		t.Fatal(err)
	}
	if s.IsZero() || s.Reveal() != canary {
		t.Errorf("Reveal = %q, want %q", s.Reveal(), canary)
	}
	if !secret.New("").IsZero() {
		t.Error("an empty text is not zero")
	}
}
