// Package secret holds values that must not be printed.
package secret

import (
	"fmt"
	"log/slog"
)

// mask replaces a secret in every printed form.
const mask = "(secret)"

// String is a secret text. No fmt verb, encoder or logger shows it; only [String.Reveal] does. It
// holds a pointer because fmt prints the fields of an unexported struct field by reflection,
// bypassing every method: then it shows an address instead of the text.
type String struct{ p *string }

// New wraps s.
func New(s string) String {
	if s == "" {
		return String{}
	}
	return String{&s}
}

// Reveal returns the text. Call it where the text is used, not earlier.
func (s String) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.p == nil || *s.p == "" }

// String implements [fmt.Stringer].
func (s String) String() string {
	if s.IsZero() {
		return ""
	}
	return mask
}

// Format implements [fmt.Formatter], so that no verb reaches the pointer.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements [slog.LogValuer].
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. It never fails: a decoder's error may print
// the rejected value.
func (s *String) UnmarshalText(b []byte) error {
	*s = New(string(b))
	return nil
}
