package tabular

import "io"

// Parts reads a report that is stored in parts, one part after the other.
type Parts struct {
	Count int
	// Part returns a part. number counts from 1.
	Part func(number int) ([]byte, error)

	number int    // of the part that was read last
	rest   []byte // of it
}

// Read implements [io.Reader]. After an error of Part the same part is read again.
func (p *Parts) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.number == p.Count {
			return 0, io.EOF
		}
		part, err := p.Part(p.number + 1)
		if err != nil {
			return 0, err
		}
		p.number, p.rest = p.number+1, part
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
