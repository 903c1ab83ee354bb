package tenant

import (
	"math"
	"slices"
	"strings"
)

// present asks for a field that has a value.
func present(field string) condition { return exists(strings.TrimSuffix(field, exactSuffix)) }

// isDate says whether the index holds a field as a date.
func isDate(field string) bool { return slices.Contains([]string{"created", "synced"}, field) }

// valueRange is a range as clients write it.
type valueRange struct {
	field                          string
	lower, upper                   *string // nil is open
	lowerInclusive, upperInclusive bool
}

func (r valueRange) condition(d dates) (condition, error) {
	switch {
	case r.lower == nil && r.upper == nil:
		return present(r.field), nil
	case isDate(r.field):
		return r.dated(d)
	}
	c := between{field: r.field, lowerExclusive: !r.lowerInclusive, upperExclusive: !r.upperInclusive}
	if r.lower != nil {
		c.lower = *r.lower
	}
	if r.upper != nil {
		c.upper = *r.upper
	}
	return c, nil
}

func (r valueRange) dated(d dates) (condition, error) {
	c := within{field: r.field, from: math.MinInt64, to: undated}
	if r.lower != nil {
		at, err := d.edge(*r.lower, !r.lowerInclusive)
		if err != nil {
			return nil, err
		}
		if c.from = at; !r.lowerInclusive {
			c.from++
		}
	}
	if r.upper != nil {
		at, err := d.edge(*r.upper, r.upperInclusive)
		if err != nil {
			return nil, err
		}
		if c.to = at; r.upperInclusive {
			c.to++
		}
	}
	return c, nil
}
