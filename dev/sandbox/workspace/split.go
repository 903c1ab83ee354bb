package workspace

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// item is a record of a post.
type item struct {
	raw      []byte // a part of the body
	id       string
	reserved string // the first reserved name in it
}

// split takes a body apart: an array of objects, or one object. Like the
// service's parser it takes repeated names and broken text; what that loses is
// found when columns are derived.
func split(body []byte, identify bool) ([]item, error) {
	dec := lenient(body)
	var batch []item
	switch dec.PeekKind() {
	case '{':
		it, err := readItem(dec, body, identify)
		if err != nil {
			return nil, plain(err)
		}
		batch = append(batch, it)
	case '[':
		if _, err := dec.ReadToken(); err != nil {
			return nil, plain(err)
		}
		for dec.PeekKind() != ']' {
			it, err := readItem(dec, body, identify)
			if err != nil {
				return nil, plain(err)
			}
			batch = append(batch, it)
		}
		if _, err := dec.ReadToken(); err != nil {
			return nil, plain(err)
		}
	default:
		return nil, errors.New("neither an array nor an object")
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the records")
	}
	return batch, nil
}

func lenient(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// plain drops the content from a decoder's error: a real service quotes some of
// it, and no client should depend on that.
func plain(err error) error {
	if errors.Is(err, errNotObject) {
		return errNotObject
	}
	return errors.New("not JSON")
}

// readItem reads one record and picks what has to be known at once.
func readItem(dec *jsontext.Decoder, body []byte, identify bool) (it item, err error) {
	if kind := dec.PeekKind(); kind != '{' && kind != 0 {
		return it, errNotObject
	}
	if _, err := dec.ReadToken(); err != nil {
		return it, err
	}
	start := dec.InputOffset() - 1
	for dec.PeekKind() != '}' {
		quoted, err := dec.ReadValue() // not as a token: millions of names need no strings
		if err != nil {
			return it, err
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name, _ = jsontext.AppendUnquote(nil, quoted)
		}
		switch {
		case identify && string(name) == "id" && dec.PeekKind() == '"':
			value, err := dec.ReadToken()
			if err != nil {
				return it, err
			}
			it.id = value.String()
			continue
		case isReserved(name):
			it.reserved = string(name)
		}
		if err := dec.SkipValue(); err != nil {
			return it, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return it, err
	}
	it.raw = body[start:dec.InputOffset():dec.InputOffset()]
	return it, nil
}

// isReserved knows the names that Microsoft's page lists as reserved.
func isReserved(name []byte) bool {
	switch len(name) {
	case len("tenant"), len("RawData"), len("TimeGenerated"):
		s := string(name)
		return strings.EqualFold(s, "tenant") || strings.EqualFold(s, "RawData") || strings.EqualFold(s, "TimeGenerated")
	}
	return false
}
