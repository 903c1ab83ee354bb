package jsonwalk

import (
	"bytes"
	"crypto/sha256"
	"errors"
)

const (
	// Sightings is how often the same broken bytes must come before they are confirmed.
	Sightings = 3
	// Patience is how often in a row broken elements may come that differ each time.
	Patience = 10
	// flawsKept limits how many broken elements are remembered.
	flawsKept = 4096
)

// ErrDoubtful says that a page has elements that break the rules and are not confirmed yet.
var ErrDoubtful = errors.New("rows break the rules")

// Flaws are elements that break the rules. Damage in transit looks the same, but does not come again
// the same way: so only elements that do are confirmed. The zero value is ready for use, by one
// goroutine at a time.
type Flaws struct {
	seen  map[[sha256.Size]byte]int
	tries int // successive pages with elements that are not confirmed
	page  [][sha256.Size]byte
}

// Recover is the function Recover; it also notes the elements that break the rules. An empty array
// with something around or inside it is [*Undivided]: what is damaged may be a page with elements.
func (f *Flaws) Recover(page []byte, names []string, visit func(Element) error) error {
	f.page = f.page[:0]
	visited := false
	_, err := Recover(page, names, func(e Element) error {
		visited = true
		if e.Flaw != "" {
			f.page = append(f.page, sha256.Sum256(e.Raw))
		}
		return visit(e)
	})
	if err == nil && !visited && !isEmpty(page) {
		err = &Undivided{0, "the array is empty, and there is more than the array"}
	}
	return err
}

// isEmpty reports whether a page is an empty array and nothing else.
func isEmpty(page []byte) bool {
	p := bytes.Trim(withoutBOM(page), space)
	return len(p) > 1 && p[len(p)-1] == ']' && len(bytes.Trim(p[1:len(p)-1], space)) == 0
}

// Confirm says whether the broken elements of the last page that Recover read come from the service:
// nil, or ErrDoubtful.
func (f *Flaws) Confirm() error {
	if f.seen == nil || len(f.seen)+len(f.page) > flawsKept {
		f.seen = make(map[[sha256.Size]byte]int)
	}
	counted := make(map[[sha256.Size]byte]bool)
	doubtful := false
	for _, sum := range f.page {
		if !counted[sum] {
			counted[sum] = true
			f.seen[sum] = min(f.seen[sum]+1, Sightings)
		}
		doubtful = doubtful || f.seen[sum] < Sightings
	}
	if len(f.page) == 0 { // the bytes around the rows are broken
		doubtful = f.tries < Sightings-1
	}
	if doubtful && f.tries < Patience-1 {
		f.tries++
		return ErrDoubtful
	}
	f.tries = 0
	return nil
}
