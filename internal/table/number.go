package table

import (
	"strconv"
	"strings"
)

// maxInteger is 2^53: a double holds every integer up to it.
const maxInteger = 1 << 53

// number reads a number, and returns false for one that a double can't hold.
func (s *scanner) number() bool {
	b := s.b
	start := s.i
	i := start
	if i < len(b) && b[i] == '-' {
		i++
	}
	digits := i
	i = skipDigits(b, i)
	n := i - digits
	if n == 0 || n > 1 && b[digits] == '0' {
		return false
	}
	plain := true
	if i < len(b) && b[i] == '.' {
		from := i + 1
		i = skipDigits(b, from)
		if i == from {
			return false
		}
		n += i - from
		plain = false
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		i = skipDigits(b, from)
		if i == from {
			return false
		}
		n += 100 // make exact check it
		plain = false
	}
	s.i = i
	// A double holds every decimal number of up to 15 digits.
	return n <= 15 || exact(b[start:i], plain)
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	return i
}

// exact reports whether a double holds the number, so that printing it gives the same value again:
// true for 0.1 and 1.50, false for 0.12345678901234567890. Integers (plain: neither fraction nor
// exponent) above 2^53 never count as exact: half of them are, but a reader can't know which. lit
// is a valid JSON number.
func exact(lit []byte, plain bool) bool {
	if lit[0] == '-' {
		lit = lit[1:]
	}
	d, ok := decimalOf(lit)
	if !ok {
		return false // more digits than a double prints
	}
	if d.n == 0 {
		return true
	}
	if plain && d.exponent > 15 {
		return false // 17 digits or more before the point
	}
	large := plain && d.exponent == 15
	if d.n <= 15 && !large && d.exponent > -290 && d.exponent < 290 {
		return true
	}
	if d.exponent < -324 || d.exponent > 308 {
		return false
	}
	var buf, back [32]byte
	f, err := strconv.ParseFloat(string(d.append(buf[:0])), 64)
	if err != nil || plain && f > maxInteger {
		return false
	}
	printed, ok := decimalOf(strconv.AppendFloat(back[:0], f, 'e', -1, 64))
	return ok && printed == d
}

// maxDigits is how many digits the shortest text of any double needs at most.
const maxDigits = 17

// decimal is d1.d2d3… × 10^exponent, without leading and trailing zeros, so that equal values are
// equal structs.
type decimal struct {
	digits   [maxDigits]byte
	n        int
	exponent int // of the first digit
}

// decimalOf reads an unsigned JSON number. It returns false if the number has more digits than fit.
func decimalOf(lit []byte) (d decimal, ok bool) {
	exponent, point, zeros := -1, false, 0
	for i, c := range lit {
		switch {
		case c == '.':
			point = true
			continue
		case c|0x20 == 'e':
			d.exponent = exponent + exponentOf(lit[i+1:])
			return d.normal(), true
		}
		if !point && (d.n > 0 || c != '0') {
			exponent++
		}
		switch {
		case c == '0' && d.n == 0:
			if point {
				exponent--
			}
		case c == '0':
			zeros++
		case d.n+zeros >= maxDigits:
			return d, false
		default:
			for ; zeros > 0; zeros-- {
				d.digits[d.n] = '0'
				d.n++
			}
			d.digits[d.n] = c
			d.n++
		}
	}
	d.exponent = exponent
	return d.normal(), true
}

// normal makes all zeros equal.
func (d decimal) normal() decimal {
	if d.n == 0 {
		d.exponent = 0
	}
	return d
}

// exponentOf reads what follows the letter e, and stops counting beyond any exponent of a double.
func exponentOf(b []byte) int {
	sign := 1
	e := 0
	for _, c := range b {
		switch {
		case c == '-':
			sign = -1
		case c-'0' < 10 && e < 1e9:
			e = e*10 + int(c-'0')
		}
	}
	return sign * e
}

// append writes the number in a form that strconv reads.
func (d decimal) append(b []byte) []byte {
	b = append(b, d.digits[:d.n]...)
	b = append(b, 'e')
	return strconv.AppendInt(b, int64(d.exponent-d.n+1), 10)
}

// isExact is exact for a literal of any form.
func isExact(lit string) bool {
	return exact([]byte(lit), !strings.ContainsAny(lit, ".eE"))
}
