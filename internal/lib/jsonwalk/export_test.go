package jsonwalk

// WalkSlowly is [Walk] by the decoder alone.
func WalkSlowly(page []byte, names []string, visit func(Element) error) error {
	return newWalker(page, names).slow(0, visit)
}

// IsQuick reports whether a page needs no decoder.
func IsQuick(page []byte) bool {
	_, done, _ := newWalker(page, nil).quick(func(Element) error { return nil })
	return done
}
