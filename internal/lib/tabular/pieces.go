package tabular

// pieces returns what is too large, or what can't be divided into rows, piece by piece.
type pieces struct {
	w      *window
	most   int
	number int // of the row
	piece  int
	flaw   string
	// end finds the end of what is returned in the bytes that follow; nil if it is the report's.
	end func(b []byte) (n int, ended bool, err error)
	// seen is how much of the window end has looked at.
	seen  int
	done  bool
	fault error // of end
}

// next returns a piece. ok is false when there is none left.
func (p *pieces) next() (row Row, ok bool) {
	for !p.done && p.seen < p.most {
		rest := p.w.rest()[p.seen:]
		if len(rest) == 0 {
			p.done = !p.w.more()
			continue
		}
		rest = rest[:min(len(rest), p.most-p.seen)]
		n, ended := len(rest), false
		if p.end != nil {
			n, ended, p.fault = p.end(rest)
		}
		p.seen += n
		p.done = ended || p.fault != nil
	}
	if p.seen == 0 {
		return Row{}, false
	}
	p.piece++
	row = Row{Number: p.number, Piece: p.piece, Raw: p.w.rest()[:p.seen], Flaw: p.flaw}
	p.w.skip(p.seen)
	p.seen = 0
	return row, true
}
