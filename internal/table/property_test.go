package table_test

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

// column is a column that the service would make of a record.
type column struct {
	name  string
	value jsontext.Value
}

// flatten is the service's view of a valid row, written apart from the package.
func flatten(tb rapid.TB, prefix string, object jsontext.Value) (columns []column, names []string) {
	tb.Helper()
	dec := jsontext.NewDecoder(bytes.NewReader(object))
	for {
		token, err := dec.ReadToken()
		if err != nil {
			return columns, names
		}
		if token.Kind() != '"' {
			continue
		}
		name := prefix + token.String()
		value, err := dec.ReadValue()
		if err != nil {
			tb.Fatalf("flatten: %v", err)
		}
		value = value.Clone()
		names = append(names, name)
		switch value.Kind() {
		case '{':
			c, n := flatten(tb, name+"_", value)
			columns, names = append(columns, c...), append(names, n...)
		case 'n':
		default:
			columns = append(columns, column{name, value})
		}
	}
}

// checkRow is the contract of a row: valid JSON within every limit, and final.
func checkRow(tb rapid.TB, rules *table.Rules, row jsontext.Value) {
	tb.Helper()
	if !row.IsValid() || row.Kind() != '{' {
		tb.Fatalf("not a valid object: %s", row)
	}
	columns, names := flatten(tb, "", row)
	for _, name := range names {
		for _, reserved := range rules.Reserved {
			if strings.EqualFold(name, reserved) {
				tb.Errorf("name %q is reserved", name)
			}
		}
		for _, c := range name {
			if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				tb.Errorf("name %q has the character %q", name, c)
			}
		}
	}
	if len(columns) > rules.MaxColumns {
		tb.Errorf("%d columns, at most %d are allowed", len(columns), rules.MaxColumns)
	}
	seen := map[string]bool{}
	for _, c := range columns {
		if seen[c.name] {
			tb.Errorf("two values for the column %s", c.name)
		}
		seen[c.name] = true
		if len(c.name) > rules.MaxName {
			tb.Errorf("name %s is longer than %d", c.name, rules.MaxName)
		}
		checkValue(tb, rules, c)
	}
	again, changes, err := rules.Conform(row)
	if err != nil || changes != nil || !bytes.Equal(again, row) {
		tb.Errorf("conforming a second time: changes %q, error %v\nfirst  %s\nsecond %s", changes, err, row, again)
	}
}

func checkValue(tb rapid.TB, rules *table.Rules, c column) {
	tb.Helper()
	switch c.value.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, c.value)
		if err != nil || !utf8.Valid(text) || len(text) > rules.MaxValue {
			tb.Errorf("%s: text of %d bytes, error %v", c.name, len(text), err)
		}
	case '[':
		text := c.value.Clone()
		if err := text.Compact(); err != nil || len(text) > rules.MaxValue {
			tb.Errorf("%s: array of %d bytes, error %v", c.name, len(text), err)
		}
	case '0':
		// The value that the service would print for its double is the value sent.
		f, err := strconv.ParseFloat(string(c.value), 64)
		sent, _ := new(big.Rat).SetString(string(c.value))
		printed, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
		if err != nil || !ok || sent.Cmp(printed) != 0 {
			tb.Errorf("%s: a double does not hold %s", c.name, c.value)
		}
	}
}

// objects draws records that break rules more often than not.
func objects() *rapid.Generator[string] {
	name := rapid.OneOf(
		rapid.SampledFrom([]string{
			"a", "b", "a_b", "A", "RawData", "rawdata", "Raw", "", "x y", "é", "_", "idnConformed", "idnSurplus", `\u0061`, "\xff", `\n`,
			"nnnnnnnnnnnnnnnnnnnnnnnnnnnn1", "nnnnnnnnnnnnnnnnnnnnnnnnnnnn2",
		}),
		rapid.StringMatching(`[a-c_]{1,3}`),
	)
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "x", `\"`, `\u00eb`, `\ud83d\ude00`, `\ud83d`, "\xc3", "😀", strings.Repeat("y", 70), strings.Repeat("é", 40), strings.Repeat(`\n`, 64)}),
		rapid.StringMatching(`[a-z]{0,5}`),
	)
	number := rapid.OneOf(
		rapid.SampledFrom([]string{"0", "-0", "0.1", "9007199254740993", "1e400", "0.12345678901234567890", "5e-324"}),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?`),
	)
	var value func(depth int) *rapid.Generator[string]
	object := func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			var b strings.Builder
			space := rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "space")
			b.WriteString("{" + space)
			for i := range rapid.IntRange(0, 6).Draw(t, "members") {
				if i > 0 {
					b.WriteString("," + space)
				}
				b.WriteString(`"` + name.Draw(t, "name") + `"` + space + ":" + value(depth-1).Draw(t, "value"))
			}
			b.WriteString("}")
			return b.String()
		})
	}
	value = func(depth int) *rapid.Generator[string] {
		kinds := []*rapid.Generator[string]{
			rapid.SampledFrom([]string{"null", "true", "false"}),
			number,
			rapid.Map(text, func(s string) string { return `"` + s + `"` }),
		}
		if depth > 0 {
			kinds = append(kinds, object(depth), rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[string] { return value(depth - 1) }), 0, 4),
				func(list []string) string { return "[" + strings.Join(list, " ,") + "]" }))
		}
		return rapid.OneOf(kinds...)
	}
	return object(3)
}

func TestConformProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rules := small()
		rules.MaxColumns = rapid.IntRange(3, 12).Draw(rt, "columns")
		raw := jsontext.Value(objects().Draw(rt, "record"))
		checkConform(rt, rules, raw)
	})
}

// checkConform is what holds for any record.
func checkConform(tb rapid.TB, rules *table.Rules, raw jsontext.Value) {
	before := raw.Clone()
	row, changes, err := rules.Conform(raw)
	if !bytes.Equal(before, raw) {
		tb.Errorf("the record was written to")
	}
	repaired, found, repairErr := rules.Repair(raw)
	if (err == nil) != (repairErr == nil) {
		tb.Fatalf("the quick half says %v, the careful one %v", err, repairErr)
	}
	if err != nil {
		if !isObject(raw) {
			return
		}
		tb.Fatalf("refused a valid object: %v", err)
	}
	if !isObject(raw) {
		tb.Fatalf("took what is no object: %s", raw)
	}
	if rules.Fits(raw) && (found != nil || !bytes.Equal(repaired, raw)) {
		tb.Errorf("the quick half took what the careful one mends: %q", found)
	}
	if changes == nil && !bytes.Equal(row, raw) {
		tb.Errorf("changed without a word: %s", row)
	}
	if changes != nil && bytes.Equal(row, raw) {
		tb.Errorf("said %q and changed nothing", changes)
	}
	checkRow(tb, rules, row)
	if diff := cmp.Diff(nothingLost(raw), nothingLost(row)); changes != nil && diff != "" && !cutOrCollected(changes) {
		tb.Errorf("values (-record +row):\n%s\nrecord %s\nrow    %s", diff, raw, row)
	}
}

// isObject is the decoder's word on whether raw is one JSON object.
func isObject(raw jsontext.Value) bool {
	return raw.Kind() == '{' && raw.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// nothingLost counts the values of a record that are columns, as text: numbers
// and arrays may become strings of the same text.
func nothingLost(record jsontext.Value) map[string]int {
	count := map[string]int{}
	dec := jsontext.NewDecoder(bytes.NewReader(record), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		switch dec.PeekKind() {
		case 0:
			return count
		case '{', '}':
			_, _ = dec.ReadToken()
			continue
		}
		name := ""
		if _, n := dec.StackIndex(dec.StackDepth()); n%2 == 0 { // a name
			token, err := dec.ReadToken()
			if err != nil {
				return count
			}
			name = token.String()
			if kind := dec.PeekKind(); kind == '{' || kind == 'n' {
				if kind == 'n' {
					_ = dec.SkipValue()
				}
				continue
			}
		}
		value, err := dec.ReadValue()
		if err != nil {
			return count
		}
		if name == table.Marker && strings.Contains(string(value), ": ") || name == table.Surplus && strings.HasPrefix(string(value), `"{`) {
			continue
		}
		text := string(value)
		switch value.Kind() {
		case '"':
			plain, _ := jsontext.AppendUnquote(nil, value)
			text = string(plain)
		case '[':
			compact := value.Clone()
			_ = compact.Compact()
			text = strings.ToValidUTF8(string(compact), "\uFFFD")
		}
		count[text]++
	}
}

func cutOrCollected(changes []string) bool {
	all := strings.Join(changes, "\n")
	return strings.Contains(all, " truncated from ") || strings.Contains(all, table.Surplus)
}

func FuzzConform(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":{"b":[1,{"c":null}]},"a_b":0.1}`, `{"a":"\ud83d\ude00é","RawData":12345678901234567890}`, "{\"\xff\":[\"\xc3\"]}",
		`{"a":1,"a":2,"b c":{},"d":1e400}`, `[]`, `{"a":"x`, ` { "a" : [ ] } `, `{"a":-0.0e-1,"b":1.}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkConform(t, small(), raw) })
}
