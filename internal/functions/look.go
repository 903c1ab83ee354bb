package functions

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/state/hooklook"
)

const (
	// peekMost is how much of a body is looked at.
	peekMost = 64 << 10
	// namesMost is how many names an outline has, of headers and of members each, and nameMost how
	// long one is.
	namesMost, nameMost = 60, 60
)

// looker is a [Poller] that shows a person what its hooks receive.
type looker interface {
	// Look returns what notes an outline, nil if no one asked for it.
	Look(path string) func(hooklook.Outline)
}

// inspected answers a push, and notes its outline if a person asked for that.
func (h *Handler) inspected(w http.ResponseWriter, r *http.Request) {
	var note func(hooklook.Outline)
	rest, _ := hookPath(r.URL.Path)
	if poller, err := h.open(); err == nil { // hook reports the error
		if one, ok := poller.(looker); ok {
			note = one.Look(rest)
		}
	}
	if note == nil {
		h.hook(w, r)
		return
	}
	seen, body := &seenAnswer{ResponseWriter: w, status: http.StatusOK}, &peekedBody{ReadCloser: r.Body}
	o := hooklook.Outline{At: time.Now().UTC(), Method: known(r.Method, http.MethodGet, http.MethodPost, http.MethodPut, http.MethodHead, http.MethodOptions), Path: shownPath(r.URL.Path), Length: r.ContentLength}
	for name := range r.Header {
		o.Headers = append(o.Headers, name[:min(len(name), nameMost)])
	}
	slices.Sort(o.Headers)
	o.Headers = o.Headers[:min(len(o.Headers), namesMost)]
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	o.Scheme = known(scheme, "", "Basic", "Bearer", "DPoP")
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	o.MediaType = known(kind, "", "application/json", "application/x-ndjson", "text/csv", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/octet-stream")
	r.Body = body
	h.hook(seen, r)
	o.Status, o.Read, o.Shape = seen.status, body.read, shape(body.start)
	note(o)
}

// known is a text if it is one of those, without regard to case, and "other" if it is not: it may
// be a secret in the wrong place.
func known(text string, all ...string) string {
	for _, one := range all {
		if strings.EqualFold(one, text) {
			return one
		}
	}
	return "other"
}

// shape describes the beginning of a body without its values.
func shape(start []byte) string {
	start = bytes.TrimPrefix(start, []byte("\xef\xbb\xbf"))
	d := jsontext.NewDecoder(bytes.NewBuffer(start), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch kind := d.PeekKind(); {
	case len(start) == 0:
		return "not read, or empty"
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return "gzip"
	case kind == '[':
		_, _ = d.ReadToken()
		return "JSON array, the first element is " + kindName(d.PeekKind())
	case kind != '{':
		return kindName(kind)
	}
	_, _ = d.ReadToken()
	var members []string
	for d.PeekKind() == '"' && len(members) < namesMost {
		name, err := d.ReadToken()
		if err != nil {
			break
		}
		text := name.String()
		members = append(members, text[:min(len(text), nameMost)]+" ("+kindName(d.PeekKind())+")")
		if d.SkipValue() != nil {
			break // more follows than was looked at
		}
	}
	return "JSON object with " + strings.Join(members, ", ")
}

// kindName names a kind of JSON.
func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case '0':
		return "number"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "not JSON"
	}
}

// seenAnswer keeps the status of an answer.
type seenAnswer struct {
	http.ResponseWriter
	status int
}

func (s *seenAnswer) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (s *seenAnswer) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// peekedBody keeps the beginning of what is read.
type peekedBody struct {
	io.ReadCloser
	start []byte
	read  int64
}

func (p *peekedBody) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.read += int64(n)
	if room := peekMost - len(p.start); room > 0 {
		p.start = append(p.start, b[:min(n, room)]...)
	}
	return n, err
}
