package checks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// filtered is the column that a parameter filters, by schema (all_schemas_parameters of
// ASimFilteringTest.py). pack is not tested there either.
func filtered(schema, parameter string) (column string, known bool) {
	column, known = map[string]map[string]string{
		"AuditEvent": {
			"actorusername_has_any": "ActorUsername", "disabled": "", "endtime": "TimeGenerated", "eventresult": "EventResult", "eventtype_in": "EventType", "newvalue_has_any": "NewValue",
			"object_has_any": "Object", "operation_has_any": "Operation", "srcipaddr_has_any_prefix": "SrcIpAddr", "starttime": "TimeGenerated", "pack": "",
		},
		"Authentication": {
			"disabled": "", "eventresult": "EventResult", "eventresultdetails_in": "EventResultDetails", "eventtype_in": "EventType", "endtime": "TimeGenerated", "srchostname_has_any": "SrcHostname",
			"srcipaddr_has_any_prefix": "SrcIpAddr", "starttime": "TimeGenerated", "targetappname_has_any": "TargetAppName", "username_has_any": "User", "pack": "",
		},
		"UserManagement": {
			"actorusername_has_any": "ActorUsername", "disabled": "", "endtime": "TimeGenerated", "eventtype_in": "EventType", "srcipaddr_has_any_prefix": "SrcIpAddr", "starttime": "TimeGenerated",
			"targetusername_has_any": "TargetUsername", "pack": "",
		},
	}[schema][parameter]
	return column, known
}

const fictive = "!not_REAL_vAlUe"

// Filtering is the port of ASimFilteringTest.py: each parameter of a parser lets pass
// what it should, on the rows that run sees. partial are tests for which the rows have
// too few values; the original reports them as failures as well.
//
// The query that run gets reads the values of the parameters from a table Trial, with a
// column for each, so it is the same for all trials.
func Filtering(f File, run func(query string, trial kqltest.Row) (kqltest.Table, error)) (problems, partial []string, err error) {
	defaults := kqltest.Row{}
	var declared strings.Builder
	for _, p := range f.Params {
		fmt.Fprintf(&declared, "let %s = toscalar(Trial | project %[1]s);\n", p.Name)
		switch p.Type {
		case "dynamic":
			defaults[p.Name] = []any{}
		case "bool":
			defaults[p.Name] = p.Default == "true"
		case "string":
			defaults[p.Name] = p.Default
		}
	}
	with := func(parameter string, value any) (kqltest.Table, error) {
		trial := maps.Clone(defaults)
		if parameter != "" {
			trial[parameter] = value
		}
		return run(declared.String()+f.Query, trial)
	}
	all, err := with("", nil)
	if err != nil {
		return nil, nil, err
	}
	if len(all.Rows) == 0 {
		return []string{"no rows"}, nil, nil
	}
	for _, p := range f.Params {
		column, known := filtered(f.Normalization.Schema, p.Name)
		if !known {
			problems = append(problems, "the schema has no parameter "+p.Name)
			continue
		}
		there := slices.ContainsFunc(all.Columns, func(c kqltest.Column) bool { return c.Name == column })
		if p.Name == "pack" || p.Name != "disabled" && !there {
			continue
		}
		cases, few := filters(p.Name, p.Type, column, all)
		for _, what := range few {
			partial = append(partial, p.Name+": "+what)
		}
		for _, c := range cases {
			out, err := with(p.Name, c.value)
			if err != nil {
				return nil, nil, fmt.Errorf("%s = %v: %w", p.Name, c.value, err)
			}
			var values []string
			for _, r := range out.Rows {
				text, _ := r[column].(string)
				values = append(values, text)
			}
			if complaint := c.check(values); complaint != "" {
				problems = append(problems, fmt.Sprintf("%s = %v: %s", p.Name, c.value, complaint))
			}
		}
	}
	return problems, partial, nil
}

// a trial is a value of a parameter, and what must be true of the column in the rows that pass.
type trial struct {
	value any
	check func(values []string) string
}

func none(values []string) string {
	if len(values) > 0 {
		return fmt.Sprintf("%d rows pass, want none", len(values))
	}
	return ""
}

func filters(parameter, typ, column string, all kqltest.Table) (cases []trial, few []string) {
	counts := map[string]int{}
	var times []string
	for _, r := range all.Rows {
		value, _ := r[column].(string)
		counts[value]++
		if column == "TimeGenerated" {
			times = append(times, value)
		}
	}
	fewer := func(values []string) string {
		if len(values) == 0 || len(values) == len(all.Rows) {
			return fmt.Sprintf("%d of %d rows pass", len(values), len(all.Rows))
		}
		return ""
	}
	switch {
	case parameter == "disabled":
		return []trial{{true, none}, {false, func(v []string) string {
			if len(v) != len(all.Rows) {
				return fmt.Sprintf("%d of %d rows pass", len(v), len(all.Rows))
			}
			return ""
		}}}, nil
	case typ == "datetime":
		slices.Sort(times)
		return []trial{{times[len(times)/2-1], fewer}}, nil
	}
	values := slices.Sorted(maps.Keys(counts))
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	if len(counts) == 1 {
		few = append(few, "only one value")
	}
	if len(values) == 0 {
		return nil, append(few, "no value")
	}
	if typ == "string" {
		return []trial{{values[0], only(values[:1])}, {fictive, none}}, few
	}
	list := func(values ...string) []any {
		var l []any
		for _, v := range values {
			l = append(l, v)
		}
		return l
	}
	cases = append(cases, trial{list(values[0]), some(counts, values[:1])}, trial{list(fictive), none})
	if len(values) > 2 {
		cases = append(cases, trial{list(values[:2]...), some(counts, values[:2])})
	} else {
		few = append(few, "too few values for two")
	}
	if strings.HasSuffix(parameter, "has_any") || strings.HasSuffix(parameter, "has_any_prefix") {
		parts := fragments(values, strings.HasSuffix(parameter, "prefix"))
		if len(parts) == 0 {
			return cases, append(few, "no part of a value")
		}
		cases = append(cases, trial{list(parts...), some(counts, parts)})
	}
	return cases, few
}

// some demands rows with one of the wanted values, and no others, and not simply all.
func some(counts map[string]int, wanted []string) func([]string) string {
	passing := 0
	for v, n := range counts {
		if slices.ContainsFunc(wanted, func(w string) bool { return holds(v, w) }) {
			passing += n
		}
	}
	return func(values []string) string {
		if complaint := only(wanted)(values); complaint != "" {
			return complaint
		}
		if len(values) != passing {
			return fmt.Sprintf("%d rows pass, want %d", len(values), passing)
		}
		return ""
	}
}

// holds says whether a value has a part, in any case.
func holds(value, part string) bool {
	return strings.Contains(strings.ToLower(value), strings.ToLower(part))
}

func only(wanted []string) func([]string) string {
	return func(values []string) string {
		if len(values) == 0 {
			return "no row passes"
		}
		for _, v := range values {
			if !slices.ContainsFunc(wanted, func(w string) bool { return holds(v, w) }) {
				return fmt.Sprintf("%q passes", v)
			}
		}
		return ""
	}
}

var separator = regexp.MustCompile(`[^\w]`)

// fragments are up to two parts of values: of an address what is before its last dot, of
// another what is after its first separator.
func fragments(values []string, prefix bool) []string {
	var parts []string
	for _, v := range values {
		if len(parts) == 2 {
			break
		}
		if prefix {
			if i := strings.LastIndexByte(v, '.'); i > 0 && !slices.Contains(parts, v[:i+1]) {
				parts = append(parts, v[:i+1])
			}
		} else if at := separator.FindStringIndex(v); at != nil && len(v) > at[1]+1 && !slices.Contains(parts, v[at[1]:]) {
			parts = append(parts, v[at[1]:])
		}
	}
	return parts
}
