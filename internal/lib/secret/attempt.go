package secret

import (
	"context"
	"errors"
	"fmt"
)

// Refused is the error of an attempt whose secret was refused.
type Refused struct{ Err error }

func (r *Refused) Error() string { return r.Err.Error() }

func (r *Refused) Unwrap() error { return r.Err }

// Attempt attempts something with the secret of k. If that ends with a [Refused] and the secret has
// been replaced where it is kept, Attempt repeats it once, with the new one. what names the attempt if
// the secret can't be read.
func Attempt[T any](ctx context.Context, what string, k Keeper, attempt func(String) (T, error)) (T, error) {
	var none T
	now, err := k.Get(ctx)
	if err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	for tries := 1; ; tries++ {
		got, err := attempt(now)
		if !errors.As(err, new(*Refused)) {
			return got, err
		}
		next, failed := k.Renew(ctx, now)
		switch {
		case failed != nil:
			return none, fmt.Errorf("%w; it could not be read again: %w", err, failed)
		case tries > 1 || next.Reveal() == now.Reveal():
			if note := k.Note(); note != "" {
				return none, fmt.Errorf("%w; %s", err, note)
			}
			return none, err
		}
		now = next
	}
}
