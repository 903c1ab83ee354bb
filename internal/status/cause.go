package status

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// problems collects problems that several streams may share. What was stored of a failure is its text,
// so two problems have one cause if their texts are the same but for what differs from stream to stream
// and from run to run: numbers, times, identifiers, the names of the connection and of its hosts.
type problems struct {
	list  []Problem
	known map[cause]int // indexes of list
}

// cause is what problems with the same cause have in common.
type cause struct {
	state        Verdict
	what, remedy string
}

// found is a problem as one stream has it.
type found struct{ connection, label, what, remedy string }

// add adds what one stream of a connection has, whose label that is.
func (p *problems) add(label string, connection Connection, stream Stream, list []Problem) {
	plain := plainer(connection, stream)
	for _, one := range list {
		of := cause{one.State, plain(one.What), plain(one.Remedy)}
		i, ok := p.known[of]
		if !ok {
			if p.known == nil {
				p.known = map[cause]int{}
			}
			i = len(p.list)
			p.known[of], p.list = i, append(p.list, Problem{State: one.State})
		}
		p.list[i].each = append(p.list[i].each, found{connection.Name, label, one.What, one.Remedy})
	}
}

// sorted returns the worst first, and of those alike what more connections have.
func (p *problems) sorted() []Problem {
	for i := range p.list {
		p.list[i].describe()
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(b.State.Compare(a.State), b.Connections-a.Connections, strings.Compare(strings.Join(a.Streams, ","), strings.Join(b.Streams, ",")))
	})
	return p.list
}

// describe fills in what follows from the streams that have the problem.
func (p *Problem) describe() {
	p.What, p.Remedy = p.each[0].what, p.each[0].remedy
	p.Streams = make([]string, 0, len(p.each))
	texts, connections, labels := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, f := range p.each {
		if !labels[f.label] { // a stream may have several warnings of one kind
			labels[f.label] = true
			p.Streams = append(p.Streams, f.label)
		}
		texts[f.what] = true
		if f.connection != "" {
			connections[f.connection] = true
		}
	}
	p.Connections, p.Texts = len(connections), len(texts)
}

// Whose names up to that many of the streams that have it, and says how many others there are.
func (p Problem) Whose(most int) string {
	more := len(p.Streams) - most
	if more <= 0 {
		return strings.Join(p.Streams, ", ")
	}
	text := fmt.Sprintf("%s and %d more", strings.Join(p.Streams[:most], ", "), more)
	if p.Connections > 1 {
		text += fmt.Sprintf(", of %d connections", p.Connections)
	}
	return text
}

// narrowed is the problem of only some of the streams; ok is false if none of them has it.
func (p Problem) narrowed(shows func(label string) bool) (_ Problem, ok bool) {
	if len(p.Streams) == 0 { // it is of the app
		return p, true
	}
	if len(p.each) == 0 { // the snapshot was not taken here
		p.Streams = slices.DeleteFunc(slices.Clone(p.Streams), func(label string) bool { return !shows(label) })
		return p, len(p.Streams) > 0
	}
	p.each = slices.DeleteFunc(slices.Clone(p.each), func(f found) bool { return !shows(f.label) })
	if len(p.each) == 0 {
		return p, false
	}
	p.describe()
	return p, true
}

const (
	// codes are numbers that distinguish causes: statuses, and the codes of Microsoft Entra ID.
	codes = `\b(?:status|HTTP) \d{3}\b|\bAADSTS\d+\b`
	// hosts are names of hosts. Their last two parts are kept: they name the service.
	hosts = `(?:[A-Za-z0-9*#-]+\.)+([A-Za-z0-9-]+\.[A-Za-z]{2,})\b`
	// numbers are words with a digit: numbers, times, durations, identifiers.
	numbers = `[\w.:+%~-]*\d[\w.:+%~-]*`
	// tables are names of tables: streams of one source fill several.
	tables = `\b\w+_CL\b`
	// around is what is said of the attempts, and of what is safe.
	around = ` \((?:\d+ times in a row, since [^)]*|gave up after \d+ attempts?|no time to try again)\)|; the service asks for a pause of [\w.]+|; records that the source may delete are safe in the spool \([^)]*\)`
)

var varies = regexp.MustCompile(codes + `|` + hosts + `|` + tables + `|` + around + `|` + numbers)

// throttled is what services answer that are asked too often. Which of the requests of a run it was is
// chance, and so is whether the next one was not even sent.
const throttled = "status 429"

// singular are the words that go with a number.
var singular = strings.NewReplacer( //nolint:gochecknoglobals // a constant that Go can't spell as const
	" records are ", " record is ", " windows are ", " window is ", " reports are ", " report is ", " reports wait ", " report waits ",
	" batches wait ", " batch waits ", " objects wait ", " object waits ", " access requests wait ", " access request waits ",
	"gave up a message,", "gave up # messages,",
)

// plainer returns a function that takes out of a text what does not belong to its cause.
func plainer(connection Connection, stream Stream) func(string) string {
	var own []string
	for _, name := range []string{stream.ID, connection.Tenant, connection.Name} {
		if name != "" {
			own = append(own, regexp.QuoteMeta(name)+`\b`)
		}
	}
	prefix := "" // of its settings
	if connection.Name != "" {
		prefix = strings.ToUpper(connection.Name) + "_"
		own = append(own, regexp.QuoteMeta(prefix))
	}
	if len(own) == 0 {
		own = []string{`\b\B`} // matches nothing
	}
	names := regexp.MustCompile(`\b(?:` + strings.Join(own, "|") + `)`)
	return func(text string) string {
		if before, _, ok := strings.Cut(text, throttled); ok {
			what := strings.TrimSpace(before[:strings.IndexAny(before+":", ":(")])
			by := "source"
			if strings.Contains(before, " records to ") {
				by = "destination"
			}
			text = what + ": " + throttled + " of the " + by
		}
		text = names.ReplaceAllStringFunc(text, func(name string) string {
			if name == prefix {
				return ""
			}
			return "#"
		})
		return singular.Replace(varies.ReplaceAllStringFunc(text, func(word string) string {
			switch at := varies.FindStringSubmatch(word); {
			case strings.HasPrefix(word, "status "), strings.HasPrefix(word, "HTTP "), strings.HasPrefix(word, "AADSTS"):
				return word
			case strings.HasPrefix(word, " ("), strings.HasPrefix(word, "; "):
				return ""
			case len(at) > 1 && at[1] != "":
				return "#." + at[1]
			}
			return "#"
		}))
	}
}
