package config

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ReadFile reads the app settings from a local.settings.json of the Azure Functions Core
// Tools. Errors name the place, not the content.
//
// Like those tools, it accepts comments, trailing commas, a byte order mark, UTF-16 with
// one, and numbers and booleans as values.
func ReadFile(path string) (Origin, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Origin{}, fmt.Errorf("read settings file: %w (copy local.settings.example.json and fill it in)", err)
	}
	values, err := parseFile(data)
	if err != nil {
		return Origin{}, fmt.Errorf("read settings file %s: %w", path, err)
	}
	o := Values(path, values)
	o.Closed = true
	return o, nil
}

func parseFile(data []byte) (map[string]string, error) {
	data, err := decodeText(data)
	if err != nil {
		return nil, err
	}
	if line, named := list(data); named {
		return nil, fmt.Errorf("line %d is not JSON but NAME=value: export such a list as environment variables, or copy local.settings.example.json", line)
	}
	if data, err = withoutComments(data); err != nil {
		return nil, err
	}
	if err := stray(data); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("it contains no settings: copy local.settings.example.json and fill it in")
	}
	var file struct {
		IsEncrypted bool                      `json:"IsEncrypted"`
		Values      map[string]jsontext.Value `json:"Values"`
		Rest        map[string]jsontext.Value `json:",embed"`
	}
	if err := json.Unmarshal(data, &file, json.MatchCaseInsensitiveNames(true)); err != nil {
		var syntax *jsontext.SyntacticError
		switch {
		case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
			return nil, fmt.Errorf("line %d has a name that occurs twice: keep one of them", lineOf(data, int(syntax.ByteOffset)))
		case errors.As(err, &syntax):
			return nil, fmt.Errorf("line %d is not valid JSON (a missing comma or quotation mark, a single quotation mark?)", lineOf(data, int(syntax.ByteOffset)))
		}
		return nil, errors.New(`it must be an object with "Values", an object of names and texts`)
	}
	switch {
	case file.IsEncrypted:
		return nil, errors.New("it is encrypted: run func settings decrypt")
	case file.Values == nil && len(file.Rest) > 0:
		return nil, errors.New(`it has no "Values": the settings belong in an object of that name`)
	}
	values := make(map[string]string, len(file.Values))
	for name, raw := range file.Values {
		text, ok := scalar(raw)
		if !ok {
			return nil, fmt.Errorf("the value of %q must be a text in quotation marks", name)
		}
		values[name] = text
	}
	return values, nil
}

// listed matches a line of a file of environment variables.
var listed = regexp.MustCompile(`(?m)^(?:export\s+)?[A-Za-z_]\w*=`)

// list reports whether a file is a list of NAME=value, and where it begins.
func list(data []byte) (line int, is bool) {
	at := listed.FindIndex(data)
	if at == nil || bytes.ContainsRune(data[:at[0]], '{') {
		return 0, false
	}
	return lineOf(data, at[0]), true
}

// stray names a character that JSON does not have outside of texts, and a text that does not end on
// its line.
func stray(data []byte) error {
	for i := 0; i < len(data); {
		if data[i] == '"' {
			end := endOfString(data, i)
			if data[end-1] != '"' || end-1 == i {
				return fmt.Errorf("line %d has a text that does not end on its line: a quotation mark is missing, or a value has a line break, which is written \\n", lineOf(data, i))
			}
			i = end
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if r > unicode.MaxASCII {
			what := nameOf(r)
			if slices.ContainsFunc(wrapping(), func(marks [2]string) bool { return string(r) == marks[0] || string(r) == marks[1] }) {
				what += ", a quotation mark of a text: use \""
			}
			return fmt.Errorf("line %d has a character outside of a text that JSON does not have: %s", lineOf(data, i), what)
		}
		i += size
	}
	return nil
}

// scalar returns the text of a value; null is empty.
func scalar(raw jsontext.Value) (text string, ok bool) {
	switch raw.Kind() {
	case jsontext.KindString:
		return text, json.Unmarshal(raw, &text) == nil
	case jsontext.KindNumber, jsontext.KindTrue, jsontext.KindFalse:
		return string(raw), true
	case jsontext.KindNull:
		return "", true
	default:
		return "", false
	}
}

func lineOf(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}

// decodeText converts what editors and PowerShell write to UTF-8. Its errors name the line.
func decodeText(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		for bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) { // some editors add another one
			data = data[3:]
		}
	case bytes.HasPrefix(data, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(data, []byte("\x00\x00\xfe\xff")):
		return nil, errors.New("it is saved as UTF-32: save it as UTF-8")
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return fromUTF16(data[2:], binary.BigEndian)
	case bytes.IndexByte(data[:min(len(data), 64)], 0) >= 0:
		return nil, errors.New("it seems to be saved as UTF-16 without a byte order mark: save it as UTF-8")
	}
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			at := len(data) - len(rest)
			return nil, fmt.Errorf("line %d has a byte that is not UTF-8 (0x%02X), the file may be saved as ANSI or Windows-1252: save it as UTF-8", lineOf(data, at), data[at])
		}
		rest = rest[size:]
	}
	return data, nil
}

func fromUTF16(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, errors.New("it is saved as UTF-16 and ends in the middle of a character: save it again as UTF-8")
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return []byte(string(utf16.Decode(units))), nil
}

// withoutComments replaces comments (// and /* */) and trailing commas by blanks, which
// keeps the line numbers.
func withoutComments(data []byte) ([]byte, error) {
	out := bytes.Clone(data)
	comma := -1       // index of the last token, if it is a comma after a value
	last := byte('{') // last byte of the last token; for a string, any of its bytes
	for i := 0; i < len(out); {
		switch {
		case out[i] == '"':
			i, comma, last = endOfString(out, i), -1, '"'
		case bytes.HasPrefix(out[i:], []byte("//")):
			end := i
			for end < len(out) && out[end] != '\n' && out[end] != '\r' {
				end++
			}
			i = blank(out, i, end)
		case bytes.HasPrefix(out[i:], []byte("/*")):
			size := bytes.Index(out[i+2:], []byte("*/"))
			if size < 0 {
				return nil, fmt.Errorf("line %d begins a comment that is never closed", lineOf(data, i))
			}
			i = blank(out, i, i+2+size+2)
		case out[i] == ',' && !bytes.ContainsRune([]byte("{[,"), rune(last)):
			comma, last = i, ','
			i++
		case (out[i] == '}' || out[i] == ']') && comma >= 0:
			out[comma], comma, last = ' ', -1, out[i]
			i++
		default:
			if !bytes.ContainsRune([]byte(" \t\r\n"), rune(out[i])) {
				comma, last = -1, out[i]
			}
			i++
		}
	}
	return out, nil
}

// endOfString returns the end of the string that begins at i. A string without a closing
// quotation mark ends at the line break.
func endOfString(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"' && text[i] != '\n'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(text))
}

// blank replaces everything except line breaks by blanks, and returns end.
func blank(text []byte, from, end int) int {
	for i := from; i < end; i++ {
		if text[i] != '\n' && text[i] != '\r' {
			text[i] = ' '
		}
	}
	return end
}
