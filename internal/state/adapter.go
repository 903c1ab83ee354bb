package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const (
	// maxKey is below the limit for blob names, 1,024 characters.
	maxKey = 512
	// maxElement leaves room for an adapter's suffix in a file name, which has at most 255 bytes.
	maxElement = 200
)

// CheckKey returns an error unless key is valid in every kind of store.
// Adapters call it first in each method. It is stricter than the services: an
// element can't end with a dot, which Azure and Windows drop.
func CheckKey(key string) error {
	if key == "" {
		return errors.New("state key is empty")
	}
	if len(key) > maxKey {
		return fmt.Errorf("state key %.40q… has more than %d bytes", key, maxKey)
	}
	for element := range strings.SplitSeq(key, "/") {
		if err := checkElement(element); err != nil {
			return fmt.Errorf("state key %q: %w", key, err)
		}
		if strings.HasSuffix(element, ".") {
			return fmt.Errorf("state key %q: element %q ends with a dot", key, element)
		}
	}
	return nil
}

// CheckPrefix returns an error if no key can begin with prefix. Every key
// begins with the empty prefix.
func CheckPrefix(prefix string) error {
	last := prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		last = prefix[i+1:]
		if err := CheckKey(prefix[:i]); err != nil {
			return fmt.Errorf("prefix %q: %w", prefix, err)
		}
	}
	if last == "" {
		return nil
	}
	if err := checkElement(last); err != nil {
		return fmt.Errorf("prefix %q: %w", prefix, err)
	}
	return nil
}

func checkElement(element string) error {
	if element == "" {
		return errors.New("empty element")
	}
	if len(element) > maxElement {
		return fmt.Errorf("element %.40q… has more than %d bytes", element, maxElement)
	}
	for i := range len(element) {
		if !keyByte(element[i]) {
			return fmt.Errorf("element %q has a character other than a letter, a digit or one of \"-_.\"", element)
		}
	}
	return nil
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// ContextErr is why ctx ended: an error that wraps both ctx.Err and its cause.
// It is nil until ctx ends.
func ContextErr(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
