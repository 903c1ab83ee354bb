package schema

import (
	"fmt"
	"strings"
)

// Markdown returns the tables of docs/compatibility.md, by the name of their mark: the source of
// each published column, and what is added.
func Markdown() map[string]string {
	sections := make(map[string]string)
	for mark, t := range map[string]Table{"events": Events(), "triggers": Triggers(), "isc": ISC(), "okta": Okta()} {
		sections[mark] = rows(t, true)
		sections[mark+"-added"] = rows(t, false)
	}
	sections["saas-reports"] = rows(Reports(), false)
	for _, t := range IdentityIQ() {
		name := strings.TrimSuffix(strings.TrimPrefix(t.Name, "SailPointIIQ_"), "_CL")
		sections["iiq-"+strings.ToLower(name)] = rows(t, false)
	}
	return sections
}

func rows(t Table, published bool) string {
	var b strings.Builder
	b.WriteString("| Column | Type | Filled from |\n|---|---|---|\n")
	for _, f := range t.Fields {
		if f.Published == published {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Type, f.about())
		}
	}
	return b.String()
}

// about describes where a field comes from.
func (f Field) about() string {
	from := "`" + f.From + "`"
	if f.Or != "" {
		from += ", or `" + f.Or + "`"
	}
	switch f.Form {
	case GUID:
		return from + ", if it looks like a GUID (32 digits, with dashes or without); with dashes"
	case NotGUID:
		return from + ", if it does not look like a GUID"
	case Generated:
		return from + ", if at most two days ago and one day ahead; otherwise the time of arrival"
	case Fixed:
		return "always `" + f.Constant + "`"
	case Time:
		return from + ", if it is a time"
	case Number:
		return from + ", if it is a number"
	case Truth:
		return from + ", if it is true or false"
	case AsIs, Text:
	}
	switch {
	case f.From == Extra:
		return "every member that the stream does not declare, or whose value has a different type than declared, by its own name"
	case f.From == "idnConformed":
		return "what had to be changed for the record to fit, in words; absent otherwise"
	case f.Type == Dynamic:
		return from + ", whole"
	}
	return from
}

// FillIn puts the tables between the marks of a page, "<!-- columns: events -->"
// and "<!-- /columns -->".
func FillIn(page []byte) ([]byte, error) {
	const end = "<!-- /columns -->"
	sections := Markdown()
	var b strings.Builder
	rest := string(page)
	for {
		before, behind, ok := strings.Cut(rest, "<!-- columns: ")
		b.WriteString(before)
		if !ok {
			break
		}
		mark, behind, _ := strings.Cut(behind, " -->")
		text, ok := sections[mark]
		if !ok {
			return nil, fmt.Errorf("there is no table %q", mark)
		}
		delete(sections, mark)
		_, rest, ok = strings.Cut(behind, end)
		if !ok {
			return nil, fmt.Errorf("table %q has no end", mark)
		}
		fmt.Fprintf(&b, "<!-- columns: %s -->\n%s%s", mark, text, end)
	}
	if len(sections) > 0 {
		return nil, fmt.Errorf("%d tables are nowhere on the page", len(sections))
	}
	return []byte(b.String()), nil
}
