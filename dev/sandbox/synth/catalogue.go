package synth

import (
	_ "embed"
	"strings"
	"unicode"
)

//go:embed catalogue.csv
var catalogueCSV string

// kind is a row of the catalogue with everything that follows from it. The
// texts are JSON strings, quotes included.
type kind struct {
	typ, action, generic, technical, name, object, operation, status string
	unlisted, spacedTechnical, spacedObject                          string
}

// catalogue reads the embedded table. Its texts hold neither commas nor quotes.
func catalogue() []kind {
	lines := strings.Split(strings.TrimSpace(catalogueCSV), "\n")
	kinds := make([]kind, 0, len(lines)-1)
	for _, line := range lines[1:] {
		f := strings.Split(line, ",")
		kinds = append(kinds, newKind(f[0], f[1], f[2]))
	}
	return kinds
}

// newKind fills in what the table does not say, in the manner of the published
// example: action ModifyAccount, technical name ACCOUNT_MODIFY_PASSED, name
// "Modify Account Passed".
func newKind(typ, action, technical string) kind {
	words := words(action + technical)
	operation, outcome := "ACTION", "PASSED"
	object := make([]string, 0, len(words))
	for i, w := range words {
		switch {
		case i == len(words)-1 && status(w):
			outcome = w
		case i > 0 && verb(w) != "":
			operation = verb(w)
		default:
			object = append(object, w)
		}
	}
	if technical == "" {
		technical = strings.Join(object, "_") + "_" + operation + "_" + outcome
	}
	generic := "update"
	if operation == "CREATE" || operation == "DELETE" {
		generic = strings.ToLower(operation)
	}
	if action == "" {
		action = generic
	}
	q := func(text string) string { return `"` + text + `"` } // the texts need no escapes
	return kind{
		typ: q(typ), action: q(action), generic: q(generic), technical: q(technical),
		name: q(title(words)), object: q(strings.Join(object, "_")), operation: q(operation), status: q(outcome),
		unlisted:        q(typ + "_" + operation + "D"),
		spacedTechnical: q(strings.Join(object, " ") + " EVENT_" + operation + "_" + outcome),
		spacedObject:    q(strings.Join(object, " ") + " EVENT"),
	}
}

// words splits a name at underscores, spaces and before the capitals of a
// mixed-case word, and returns the parts in upper case.
func words(name string) []string {
	var spaced strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(rune(name[i-1])) {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(r)
	}
	return strings.Fields(strings.ToUpper(strings.ReplaceAll(spaced.String(), "_", " ")))
}

// verb returns the operation that a word of a name stands for, or "".
func verb(word string) string {
	switch word {
	case "CREATE", "CREATED":
		return "CREATE"
	case "UPDATE", "UPDATED":
		return "UPDATE"
	case "DELETE", "DELETED":
		return "DELETE"
	case "MODIFY":
		return "MODIFY"
	case "ENABLE", "ENABLED":
		return "ENABLE"
	case "DISABLE", "DISABLED":
		return "DISABLE"
	case "REMOVE", "REMOVED":
		return "REMOVE"
	case "ADD", "ADDED":
		return "ADD"
	default:
		return ""
	}
}

// status says whether a word of a name is how an event ended.
func status(word string) bool {
	switch word {
	case "PASSED", "FAILED", "STARTED", "TERMINATED", "PENDING", "SUBMITTED", "COMPLETED":
		return true
	default:
		return false
	}
}

// title writes WORDS LIKE THIS as Words Like This.
func title(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w[:1] + strings.ToLower(w[1:]))
	}
	return b.String()
}
