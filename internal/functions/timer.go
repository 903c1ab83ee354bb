package functions

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// binding is the name of the timer in function/function.json.
const binding = "timer"

// Timer is what the host says about the schedule. It is a hint for the log; no decision may
// depend on it.
type Timer struct {
	// PastDue is set if the invocation is late, for instance after a restart.
	PastDue bool
	// Last, Next and LastUpdated are zero if the host doesn't know them, because the
	// schedule is not monitored or this is its first run.
	Last, Next, LastUpdated time.Time
}

// DecodeTimer reads the timer from the body of an invocation. It accepts names in any case,
// JSON inside strings at any reasonable depth, a null or missing schedule, and dates with
// or without an offset. It returns what it could read, and an error about the first thing
// that it couldn't.
func DecodeTimer(body []byte) (Timer, error) {
	var envelope struct{ Data jsontext.Value }
	if err := decode(body, &envelope); err != nil {
		return Timer{}, fmt.Errorf("decode invocation: %w", err)
	}
	var data map[string]jsontext.Value
	if err := decode(envelope.Data, &data); err != nil {
		return Timer{}, fmt.Errorf("decode Data of the invocation: %w", err)
	}
	var fields struct{ ScheduleStatus, IsPastDue jsontext.Value }
	if err := decode(pick(data, binding), &fields); err != nil {
		return Timer{}, fmt.Errorf("decode timer: %w", err)
	}
	timer := Timer{PastDue: strings.EqualFold(text(fields.IsPastDue), "true")}
	var status struct{ Last, Next, LastUpdated jsontext.Value }
	if err := decode(fields.ScheduleStatus, &status); err != nil {
		return timer, fmt.Errorf("decode ScheduleStatus of the timer: %w", err)
	}
	var errs [3]error
	timer.Last, errs[0] = date(status.Last)
	timer.Next, errs[1] = date(status.Next)
	timer.LastUpdated, errs[2] = date(status.LastUpdated)
	return timer, errors.Join(errs[:]...)
}

// pick returns the binding, whose name may be in any case. If there is only one, its name
// doesn't matter.
func pick(data map[string]jsontext.Value, binding string) jsontext.Value {
	if v, ok := data[binding]; ok {
		return v
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if strings.EqualFold(name, binding) || len(data) == 1 {
			return data[name]
		}
	}
	return nil
}

// decode reads a JSON value, or the JSON inside a JSON string. An empty value is null.
func decode(v jsontext.Value, into any) error {
	if v = unquote(v); len(v) == 0 {
		return nil
	}
	return json.Unmarshal(v, into, json.MatchCaseInsensitiveNames(true),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// unquote unwraps JSON text from strings. The host wraps everything except objects once; a
// tool in between may do it again.
func unquote(v jsontext.Value) jsontext.Value {
	const deepest = 4
	for range deepest {
		var inner string
		if v.Kind() != '"' || json.Unmarshal(v, &inner, jsontext.AllowInvalidUTF8(true)) != nil {
			break
		}
		next := jsontext.Value(strings.TrimSpace(inner))
		if len(next) > 0 && !next.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			break
		}
		v = next
	}
	return v
}

// text returns a scalar without quotation marks.
func text(v jsontext.Value) string {
	v = unquote(v)
	var s string
	if v.Kind() == '"' && json.Unmarshal(v, &s, jsontext.AllowInvalidUTF8(true)) == nil {
		return s
	}
	return string(v)
}

// date reads a .NET date: up to seven fractional digits, and often no offset, which means
// UTC. Its default value, in year 1, means "never".
func date(v jsontext.Value) (time.Time, error) {
	s := text(v)
	if s == "" || s == "null" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", s)
	}
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("decode date of the timer: %w", err)
	case t.UTC().Year() <= 1:
		return time.Time{}, nil
	}
	return t.UTC(), nil
}
