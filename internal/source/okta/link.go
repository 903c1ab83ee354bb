package okta

import "strings"

// nextOf returns the target of the first link to the next page in Link headers (RFC 8288); "" if there
// is none. A target or a quoted parameter may hold commas and semicolons.
func nextOf(headers []string) string {
	for _, h := range headers {
		for h != "" {
			var target string
			var rels []string
			target, rels, h = nextLink(h)
			for _, r := range rels {
				if strings.EqualFold(r, "next") && target != "" {
					return target
				}
			}
		}
	}
	return ""
}

// nextLink reads the first link of a header and returns the rest after its comma.
func nextLink(h string) (target string, rels []string, rest string) {
	h = strings.TrimLeft(h, " \t,")
	if !strings.HasPrefix(h, "<") {
		_, rest, _ = strings.Cut(h, ",")
		return "", nil, rest
	}
	target, h, found := strings.Cut(h[1:], ">")
	if !found {
		return "", nil, ""
	}
	for {
		h = strings.TrimLeft(h, " \t")
		if !strings.HasPrefix(h, ";") {
			_, rest, _ = strings.Cut(h, ",")
			return target, rels, rest
		}
		var name, value string
		name, value, h = parameter(h[1:])
		if strings.EqualFold(name, "rel") && rels == nil { // the first one counts
			rels = strings.Fields(value)
		}
	}
}

// parameter reads name=value, or name="value", or name.
func parameter(h string) (name, value, rest string) {
	end := strings.IndexAny(h, "=;,")
	if end < 0 {
		return strings.TrimSpace(h), "", ""
	}
	name, rest = strings.TrimSpace(h[:end]), h[end:]
	if rest[0] != '=' {
		return name, "", rest
	}
	rest = strings.TrimLeft(rest[1:], " \t")
	if !strings.HasPrefix(rest, `"`) {
		if end = strings.IndexAny(rest, ";,"); end < 0 {
			end = len(rest)
		}
		return name, strings.TrimSpace(rest[:end]), rest[end:]
	}
	var text strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest):
			i++
			text.WriteByte(rest[i])
		case c == '"':
			return name, text.String(), rest[i+1:]
		default:
			text.WriteByte(c)
		}
	}
	return name, text.String(), ""
}
