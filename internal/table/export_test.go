package table

import "github.com/go-json-experiment/json/jsontext"

// The two halves of Conform, to be compared with each other.
func (r *Rules) Fits(raw jsontext.Value) bool { return r.fits(raw) }

func (r *Rules) Repair(raw jsontext.Value) (jsontext.Value, []string, error) { return r.repair(raw) }

var IsExact = isExact

// DecodedFold is Fold without its quick way.
func (o *Open) DecodedFold(raw jsontext.Value) jsontext.Value { return o.decodedFold(raw) }
