package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var interval = regexp.MustCompile(`^(\d+\.)?\d{1,2}:\d{2}:\d{2}$`)

// cronField is the range of one NCRONTAB field; names stand for lo, lo+1, and so on.
type cronField struct {
	title  string
	lo, hi int
	names  []string
}

func cronFields() []cronField {
	return []cronField{
		{"second", 0, 59, nil},
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"day of week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// checkSchedule returns what is wrong with an NCRONTAB text, or "". For an invalid one the
// host only logs a line and disables the function.
func checkSchedule(text string) string {
	fields := cronFields()
	parts := strings.Fields(text)
	switch {
	case interval.MatchString(text):
		return `is an interval: write six fields instead, for instance "0 * * * * *" for every minute`
	case len(parts) == len(fields)-1:
		return `has five fields: add the seconds at the beginning, for instance "0 * * * * *" for every minute`
	case len(parts) != len(fields):
		return fmt.Sprintf(`has %d fields: it needs six, for instance "0 * * * * *" for every minute`, len(parts))
	}
	for i, part := range parts {
		for item := range strings.SplitSeq(part, ",") {
			if !fields[i].accepts(item) {
				return fmt.Sprintf("has %s as %s: use *, numbers from %d to %d, ranges (1-5), lists (1,3) or steps (*/5)",
					shown(item), fields[i].title, fields[i].lo, fields[i].hi)
			}
		}
	}
	return ""
}

// accepts checks one item of a field: *, a or a-b, each with an optional /step.
func (f cronField) accepts(item string) bool {
	span, step, stepped := strings.Cut(item, "/")
	if stepped {
		if n, err := strconv.ParseUint(step, 10, 31); err != nil || n < 1 { // the host reads an int
			return false
		}
	}
	if span == "*" {
		return true
	}
	from, to, ranged := strings.Cut(span, "-")
	if !f.value(from) {
		return false
	}
	return !ranged || f.value(to)
}

// value accepts a number in range, or a name of at least three letters.
func (f cronField) value(text string) bool {
	if n, err := strconv.Atoi(text); err == nil {
		return n >= f.lo && n <= f.hi && text[0] != '+' && text[0] != '-'
	}
	for _, name := range f.names {
		if len(text) >= 3 && strings.EqualFold(text[:3], name) {
			return true
		}
	}
	return false
}
