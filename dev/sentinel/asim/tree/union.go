package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
)

// addToUnion gives a union parser the lines of a parser. files may have the union already.
func addToUnion(files map[string][]byte, checkout fs.FS, p Parser, day time.Time) error {
	name := p.folder() + "Parsers/" + p.union() + ".yaml"
	if checkout == nil {
		add := files[name+".add"]
		if add == nil {
			add = fmt.Appendf(nil, "# Lines for %s.yaml: an entry under Parsers, and a member of the union in ParserQuery.\n", p.union())
		}
		files[name+".add"] = fmt.Appendf(add, "Parsers: - %s\nParserQuery: %s\n", p.BuiltIn(), p.member(defaultDisabled))
		return nil
	}
	text, changed := files[name]
	if !changed {
		var err error
		if text, err = fs.ReadFile(checkout, name); err != nil {
			return fmt.Errorf("the union parser in the checkout of the solution repository: %w", err)
		}
	}
	extended, err := AddMember(text, p)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if bytes.Equal(extended, text) {
		return nil
	}
	if !changed { // the first of our lines
		version, err := raise(&extended, day)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		log := p.folder() + "CHANGELOG/" + p.union() + ".md"
		before, err := fs.ReadFile(checkout, log)
		if err != nil {
			return fmt.Errorf("the changelog of the union parser: %w", err)
		}
		head, rest, found := strings.Cut(string(before), "\n## ")
		if !found {
			return fmt.Errorf("%s: no version in it", log)
		}
		files[log] = fmt.Appendf(nil, "%s\n## Version %s - %s\n\n- (%[3]s) Adding the SailPoint parsers\n\n## %[4]s", head, version, day.Format(time.DateOnly), rest)
	}
	files[name] = extended
	return nil
}

const defaultDisabled = "ASimBuiltInDisabled"

// member is a line of a union parser. disabled is the variable by which the union knows
// that all its parsers are disabled.
func (p Parser) member(disabled string) string {
	var arguments []string
	for _, name := range asim.Parameters(p.function) {
		value := name
		if name == "disabled" {
			value = "(" + disabled + " or ('Exclude" + p.Name() + "' in (DisabledParsers)))"
		}
		arguments = append(arguments, name+"="+value)
	}
	return p.Name() + "(" + strings.Join(arguments, ", ") + ")"
}

var (
	entries  = regexp.MustCompile(`(?m)^Parsers:[ \t]*\r?\n(?:[ \t]*- .*(?:\r?\n|$))+`)
	item     = regexp.MustCompile(`(?m)^([ \t]*)- .*$`)
	disabled = regexp.MustCompile(`let (\w*Disabled)\s*=\s*toscalar`)
	versions = regexp.MustCompile(`(?m)^(  Version: ['"]?)(\d+)\.(\d+)(?:\.(\d+))?(['"]?)[ \t]*$`)
	updated  = regexp.MustCompile(`(?m)^(  LastUpdated:).*$`)
)

// AddMember gives the text of a union parser the two lines of a parser. One that has them
// stays as it is. Members are separated by commas, at the end of a line or at the beginning.
func AddMember(union []byte, p Parser) ([]byte, error) {
	text := string(union)
	list := entries.FindString(text)
	if list == "" {
		return nil, errors.New("no list Parsers")
	}
	if !regexp.MustCompile(`- ` + p.BuiltIn() + `\s`).MatchString(list + "\n") {
		items := item.FindAllStringSubmatch(list, -1)
		longer := strings.TrimRight(list, "\r\n") + "\n" + items[len(items)-1][1] + "- " + p.BuiltIn() + "\n"
		text = strings.Replace(text, list, longer, 1)
	}
	before, query, found := strings.Cut(text, "\nParserQuery:")
	if !found {
		return nil, errors.New("no ParserQuery")
	}
	if strings.Contains(query, p.Name()+"(") || strings.Contains(query, p.Name()+" ") {
		return []byte(text), nil
	}
	variable := defaultDisabled
	if m := disabled.FindStringSubmatch(query); m != nil {
		variable = m[1]
	}
	members := regexp.MustCompile(`(?m)^([ \t]*)(,?[ \t]*)(?:vim|ASim)`+p.Schema+`\w+[ \t]*(?:\(.*|,)?$`).FindAllStringSubmatchIndex(query, -1)
	if len(members) == 0 {
		return nil, errors.New("no member of the union in ParserQuery")
	}
	last := members[len(members)-1]
	line := strings.TrimRight(query[last[0]:last[1]], " \t\r")
	own := query[last[2]:last[3]]
	if separator := query[last[4]:last[5]]; separator != "" {
		own += separator
	} else {
		line = strings.TrimSuffix(line, ",") + ","
	}
	query = query[:last[0]] + line + "\n" + own + p.member(variable) + query[last[1]:]
	return []byte(before + "\nParserQuery:" + query), nil
}

// raise counts a version up, and dates it.
func raise(text *[]byte, day time.Time) (string, error) {
	m := versions.FindSubmatch(*text)
	if m == nil {
		return "", errors.New("no version in it")
	}
	patch, _ := strconv.Atoi(string(m[4]))
	version := fmt.Sprintf("%s.%s.%d", m[2], m[3], patch+1)
	*text = bytes.Replace(*text, m[0], fmt.Appendf(nil, "%s%s%s", m[1], version, m[5]), 1)
	*text = replaceFirst(updated, *text, []byte("  LastUpdated: "+day.Format("Jan 02, 2006")))
	return version, nil
}

func replaceFirst(re *regexp.Regexp, text, by []byte) []byte {
	at := re.FindIndex(text)
	if at == nil {
		return text
	}
	return append(append(append([]byte{}, text[:at[0]]...), by...), text[at[1]:]...)
}
