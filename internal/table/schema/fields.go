package schema

import "strings"

// fields makes fields of one form from paths separated by spaces. The name is the
// path with "_" and the suffix of the type.
func fields(form Form, paths string) []Field {
	var all []Field
	for path := range strings.FieldsSeq(paths) {
		all = append(all, field(form, path))
	}
	return all
}

func field(form Form, path string) Field {
	f := Field{From: path, Form: form}
	base := strings.ReplaceAll(path, ".", "_")
	switch form {
	case GUID:
		f.Column = Column{base + "_g", String}
	case Time:
		f.Column = Column{base + "_t", DateTime}
	case Number:
		f.Column = Column{base + "_d", Real}
	case Truth:
		f.Column = Column{base + "_b", Bool}
	default:
		f.Column = Column{base + "_s", String}
	}
	return f
}

// split makes two columns of each path, one for values that look like a GUID.
func split(paths string) []Field { return join(fields(GUID, paths), fields(NotGUID, paths)) }

// pairs makes the columns "…_after_s" and "…_before_s". The classic table uses the same name for a
// member x_after and for a member after of an object x.
func pairs(parent, names string) []Field {
	var all []Field
	for name := range strings.FieldsSeq(names) {
		for _, end := range []string{"after", "before"} {
			f := field(Text, parent+"."+name+"_"+end)
			f.Or = parent + "." + name + "." + end
			all = append(all, f)
		}
	}
	return all
}

// named makes a field with a name of its own.
func named(name string, t Type, form Form, path string) Field {
	return Field{Column: Column{name, t}, From: path, Form: form}
}

// published marks the fields whose column the earlier solution published.
func published(all []Field, names string) []Field {
	known := make(map[string]bool)
	for name := range strings.FieldsSeq(names) {
		known[name] = true
	}
	for i := range all {
		all[i].Published = known[all[i].Name]
	}
	return all
}
