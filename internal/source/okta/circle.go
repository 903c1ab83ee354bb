package okta

// circle finds pages that lead to each other by their links. It remembers one link at a time, each
// for twice as many pages as the one before (Brent's algorithm), so that no number of pages fills the
// memory. The zero value is ready for use.
type circle struct {
	mark, last  string
	pages, most int
}

// closes reports whether next, the link that the page at a link leads to, has been met since pages began to
// follow each other. A page that is read again, or elsewhere, begins anew.
func (c *circle) closes(at, next string) bool {
	if at == "" || at != c.last {
		*c = circle{mark: at, most: 1}
	}
	c.last = next
	if next == c.mark {
		return true
	}
	if c.pages++; c.pages == c.most {
		c.mark, c.pages, c.most = next, 0, 2*c.most
	}
	return false
}
