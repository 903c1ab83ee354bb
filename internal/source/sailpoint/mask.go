package sailpoint

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// masked replaces a credential in a row.
const masked = "(masked)"

// where is the position of a value, as far as it matters.
type where uint8

const (
	elsewhere where = iota
	inBody
	inSearchResults // Body.searchResults
	inSearchResult  // Body.searchResults.*
)

// into is the position of the value of the member name in an object at w.
func (w where) into(name string) where {
	switch {
	case w == inBody && name == "searchResults":
		return inSearchResults
	case w == inSearchResults:
		return inSearchResult
	default:
		return elsewhere
	}
}

// masker copies JSON without credentials.
type masker struct{ count int } // masked so far

// member copies a member whose name has been read.
func (m *masker) member(dec *jsontext.Decoder, enc *jsontext.Encoder, name string, quoted jsontext.Value, at where) error {
	return errors.Join(enc.WriteValue(quoted), m.value(dec, enc, name, at))
}

// value copies the next value, which belongs to the member name ("" in an array) of an object at
// at.
func (m *masker) value(dec *jsontext.Decoder, enc *jsontext.Encoder, name string, at where) error {
	kind := dec.PeekKind()
	if kind != jsontext.KindNull && isCredential(name) {
		m.count++
		return errors.Join(dec.SkipValue(), enc.WriteToken(jsontext.String(masked)))
	}
	switch kind {
	case jsontext.KindBeginObject:
		inside := at
		if name != "" {
			inside = at.into(name)
		}
		return object(dec, enc, func(name string, quoted jsontext.Value) error {
			return m.member(dec, enc, name, quoted, inside)
		}, nil)
	case jsontext.KindBeginArray:
		return m.array(dec, enc)
	}
	value, err := dec.ReadValue()
	switch {
	case err != nil:
		return err
	case kind == jsontext.KindString:
		return enc.WriteValue(m.text(value, name))
	case kind == jsontext.KindNumber && at == inSearchResult && name == "count":
		return enc.WriteToken(jsontext.String(string(value)))
	default:
		return enc.WriteValue(value)
	}
}

func (m *masker) array(dec *jsontext.Decoder, enc *jsontext.Encoder) error {
	if err := copyToken(dec, enc); err != nil {
		return err
	}
	for dec.PeekKind() != jsontext.KindEndArray {
		if err := m.value(dec, enc, "", elsewhere); err != nil {
			return err
		}
	}
	return copyToken(dec, enc)
}

// text returns a string without possible credentials: the signature of a link, or members of JSON
// text.
func (m *masker) text(quoted jsontext.Value, name string) jsontext.Value {
	if strings.EqualFold(name, "signedS3Url") {
		link, query, found := strings.Cut(unquote(quoted), "?")
		if found && query != "" {
			m.count++
			return quote(link)
		}
		return quoted
	}
	// JSON first: cutting a link out of its text would spoil it, and leave the rest of it unmasked.
	if mayBeJSON(quoted) && (mentionsCredential(quoted) || mayBeSigned(quoted)) {
		if clean, found := m.jsonText(unquote(quoted)); found {
			return clean
		}
	}
	if mayBeSigned(quoted) {
		if link, found := withoutSignature(unquote(quoted)); found {
			m.count++
			return quote(link)
		}
	}
	return quoted
}

// jsonText masks what is in a text, if all of it is an object or an array.
func (m *masker) jsonText(text string) (clean jsontext.Value, found bool) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] != '{' && text[0] != '[' {
		return nil, false
	}
	var out bytes.Buffer
	dec, before := newDecoder([]byte(text)), m.count
	if err := m.value(dec, newEncoder(&out), "", elsewhere); err != nil || m.count == before {
		m.count = before
		return nil, false
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		m.count = before
		return nil, false
	}
	return quote(strings.TrimRight(out.String(), "\n")), true
}

// mayBeSigned is a quick check before withoutSignature. Some encoders of JSON escape "=", and a link within
// a link is percent-encoded.
func mayBeSigned(quoted []byte) bool {
	for _, part := range []string{"ignature=", "sig=", "u003d", "u003D", "ignature%3", "sig%3"} {
		if bytes.Contains(quoted, []byte(part)) {
			return true
		}
	}
	return false
}

// withoutSignature cuts the query of signed links to Amazon S3, Google Cloud Storage and Azure
// Storage out of a text, because such a link is all that is needed to read what it points to.
func withoutSignature(text string) (clean string, found bool) {
	var out strings.Builder
	for _, word := range strings.SplitAfter(text, " ") {
		address := 0
		if i := strings.Index(word, "://"); i >= 0 {
			address = i + len("://")
		}
		if link, query := cutQuery(word[address:]); isSigned(query) {
			found = true
			word = word[:address] + link + strings.Repeat(" ", len(word)-len(strings.TrimRight(word, " ")))
		}
		out.WriteString(word)
	}
	return out.String(), found
}

// queryMark is how a query begins, also in a link that is percent-encoded as a whole.
var queryMark = regexp.MustCompile(`\?|%3[fF]`)

// cutQuery divides an address at its query.
func cutQuery(address string) (link, query string) {
	at := queryMark.FindStringIndex(address)
	if at == nil {
		return address, ""
	}
	return address[:at[0]], address[at[1]:]
}

// isSigned reports whether a query, or that of a link in it, has a signature.
func isSigned(query string) bool {
	lower := strings.ReplaceAll(strings.ToLower(query), "%3d", "=")
	return strings.Contains(lower, "signature=") || strings.Contains(lower, "sig=") && strings.Contains(lower, "se=")
}

// isCredential reports whether a member of that name is masked. It ignores case, "_" and "-".
func isCredential(name string) bool {
	var buf [16]byte // longer than any of the names below
	n := 0
	for _, c := range []byte(name) {
		if c == '_' || c == '-' {
			continue
		}
		if n == len(buf) {
			return false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[n] = c
		n++
	}
	switch string(buf[:n]) {
	case "secret", "clientsecret", "password", "passwd", "bearertoken", "accesstoken", "refreshtoken", "idtoken",
		"apikey", "authorization", "privatekey":
		return true
	}
	return false
}

// mayBeJSON reports whether the text of a string may be an object or an array.
func mayBeJSON(quoted []byte) bool {
	if len(quoted) < len(`"{}"`) {
		return false
	}
	switch quoted[1] {
	case '{', '[', ' ', '\\':
		return true
	}
	return false
}

// mentionsCredential reports whether text may name a credential: a quick check before a slow one.
func mentionsCredential(text []byte) bool {
	lower := bytes.ToLower(text)
	for _, part := range []string{"secret", "passw", "token", "key", "authorization", "signeds3url"} {
		if bytes.Contains(lower, []byte(part)) {
			return true
		}
	}
	return false
}

// object copies an object. member is called with each name, and either copies name and value or
// consumes the value; end, if not nil, may add members.
func object(dec *jsontext.Decoder, enc *jsontext.Encoder, member func(name string, quoted jsontext.Value) error, end func() error) error {
	if err := copyToken(dec, enc); err != nil {
		return err
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		quoted, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := member(unquote(quoted), quoted); err != nil {
			return err
		}
	}
	if end != nil {
		if err := end(); err != nil {
			return err
		}
	}
	return copyToken(dec, enc)
}

func copyToken(dec *jsontext.Decoder, enc *jsontext.Encoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	return enc.WriteToken(tok)
}

// write writes a name and then a value.
func write(enc *jsontext.Encoder, name jsontext.Token, value func() error) error {
	if err := enc.WriteToken(name); err != nil {
		return err
	}
	return value()
}

// texts writes a member whose value is a string.
func texts(enc *jsontext.Encoder, name, value string) error {
	return errors.Join(enc.WriteToken(jsontext.String(name)), enc.WriteToken(jsontext.String(value)))
}

// newDecoder and newEncoder accept whatever a page may hold and keep its spelling. The decoder
// reads b in place.
func newDecoder(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func newEncoder(out *bytes.Buffer) *jsontext.Encoder {
	return jsontext.NewEncoder(out, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true))
}

func unquote(quoted jsontext.Value) string {
	text, _ := jsontext.AppendUnquote(nil, quoted) // only fails for invalid UTF-8, which it replaces
	return string(text)
}

func quote(text string) jsontext.Value {
	quoted, _ := jsontext.AppendQuote(nil, text) // only fails for invalid UTF-8, which it replaces
	return quoted
}
