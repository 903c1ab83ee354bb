package secret

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
)

// Value is what a secret setting holds: the secret itself, or a [Reference] to it.
type Value struct {
	text String
	at   *Reference
}

// Plain is a setting that holds the secret itself.
func Plain(s string) Value { return Value{text: New(s)} }

// Kept is a setting that refers to a secret in a vault.
func Kept(at Reference) Value { return Value{at: &at} }

// IsZero reports whether the setting is empty.
func (v Value) IsZero() bool { return v.at == nil && v.text.IsZero() }

// Text returns the secret if the setting holds it, else an empty text.
func (v Value) Text() String { return v.text }

// Reference returns where the secret is if the setting doesn't hold it.
func (v Value) Reference() (at Reference, ok bool) {
	if v.at == nil {
		return Reference{}, false
	}
	return *v.at, true
}

// Equal reports whether two settings hold the same, read by the same identity.
func (v Value) Equal(other Value) bool { return v.Key() == other.Key() }

// Key is equal for settings that are [Value.Equal]. It contains the secret.
func (v Value) Key() string {
	if v.at != nil {
		return "at " + v.at.ID() + " as " + v.at.Identity.Key()
	}
	return v.text.Reveal()
}

// String implements [fmt.Stringer].
func (v Value) String() string {
	if v.at != nil {
		return v.at.String()
	}
	return v.text.String()
}

// Format implements [fmt.Formatter], so that no verb reaches the pointers.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(v.String())) }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. Like that of [String], it never fails.
func (v *Value) UnmarshalText(b []byte) error {
	*v = Plain(string(b))
	return nil
}

// Reference says where a secret is kept. None of it is secret.
type Reference struct {
	// Setting is the setting that holds the reference, with the prefix of its connection.
	Setting string
	// Vault is the address of the vault, without a slash at its end.
	Vault string
	// Name is the secret's. Version is "" for the newest one.
	Name, Version string
	// Identity is who may read it. If it signs in to another directory, the vault may be there, or in
	// that of the function app.
	Identity entra.Identity
}

// ID is the address of the secret, its identifier in Azure's terms.
func (r Reference) ID() string {
	id := r.Vault + "/secrets/" + r.Name
	if r.Version != "" {
		id += "/" + r.Version
	}
	return id
}

func (r Reference) String() string {
	version := ""
	if r.Version != "" {
		version = ", version " + r.Version
	}
	return fmt.Sprintf("secret %s%s of the vault %s", r.Name, version, r.Vault)
}

// Keeper hands out a secret that may be replaced while the process runs. A [String] is a
// keeper of a secret that is never replaced.
type Keeper interface {
	// Get returns the secret. It may ask a vault, but does so rarely.
	Get(ctx context.Context) (String, error)
	// Renew returns the secret to use in place of one that a service refused. It is the same
	// one unless it has been replaced where it is kept.
	Renew(ctx context.Context, refused String) (String, error)
	// Known returns the texts of the secret so far, to mask them.
	Known() []String
	// Note says, for the message that a service refused the secret, where it came from and
	// when; "" if it comes from the setting itself.
	Note() string
}

var _ Keeper = String{}

// Fixed returns the text of a keeper whose secret is never replaced. A nil keeper has an empty
// one.
func Fixed(k Keeper) (text String, fixed bool) {
	if k == nil {
		return String{}, true
	}
	text, fixed = k.(String)
	return text, fixed
}

// Get implements [Keeper].
func (s String) Get(context.Context) (String, error) { return s, nil }

// Renew implements [Keeper].
func (s String) Renew(context.Context, String) (String, error) { return s, nil }

// Known implements [Keeper].
func (s String) Known() []String { return []String{s} }

// Note implements [Keeper].
func (s String) Note() string { return "" }
