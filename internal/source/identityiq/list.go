package identityiq

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// list is an answer that holds a list.
type list struct {
	// rows is the array. If broken is set it can't be read as a whole, and is followed by the rest of
	// the answer.
	rows   []byte
	broken bool
	// total is how many rows there are, by the service's word; −1 if it does not say.
	total int64
}

// message is an object in the place of a list. The plugin reports mistakes that way, with status 200.
type message struct{ code, text string }

func (m *message) Error() string {
	if m.code != "" {
		return fmt.Sprintf("the service answered %s in place of a list: %s", m.code, m.text)
	}
	return "the service answered with something other than a list: " + m.text
}

// scimList is the member that holds the list in an answer of SCIM.
const scimList = "Resources"

// readList finds the list that is the member name of an answer.
func readList(body []byte, name string) (list, error) {
	l := list{total: -1}
	found, odd := false, false
	code, text := "", ""
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != jsontext.KindBeginObject {
		return l, &message{"", jsonwalk.Excerpt(body)}
	}
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != jsontext.KindEndObject {
		var member jsontext.Token
		if member, err = d.ReadToken(); err != nil {
			break
		}
		switch called := member.String(); {
		case called == name && d.PeekKind() == jsontext.KindBeginArray:
			found = true
			// The decoder has read the colon with the name of the array; what is before the array is space.
			from := int(d.InputOffset()) + bytes.IndexByte(body[d.InputOffset():], '[')
			l.rows = body[from:]
			if err = d.SkipValue(); err != nil {
				l.broken = true
				return l, nil //nolint:nilerr // what the rows are is for the walk over them to find out
			}
			l.rows = body[from:d.InputOffset():d.InputOffset()]
		default:
			var value jsontext.Value
			if value, err = d.ReadValue(); err != nil {
				break
			}
			switch called {
			case name:
				odd = value.Kind() != jsontext.KindNull
			case "totalResults":
				l.total = totalOf(value)
			case "code":
				code = textOf(value)
			case "message", "detail", "details":
				text = strings.TrimSpace(text + " " + textOf(value))
			}
		}
	}
	switch {
	case len(bytes.Trim(l.rows, "[] \t\r\n")) > 0:
		return l, nil
	case err != nil:
		return l, err
	case found:
		return l, atEnd(d, body)
	case name == scimList && l.total == 0 && !odd && code == "" && text == "": // RFC 7644 lets out a list that is empty
		l.rows = []byte("[]")
		return l, atEnd(d, body)
	}
	if text == "" {
		text = jsonwalk.Excerpt(body)
	}
	return l, &message{code, text}
}

// atEnd reads the end of an answer whose list is empty, and demands that nothing follows it: rows prove
// themselves, and that there are none only a whole answer proves.
func atEnd(d *jsontext.Decoder, body []byte) error {
	if _, err := d.ReadToken(); err != nil {
		return fmt.Errorf("its end: %w", err)
	}
	if len(bytes.TrimSpace(body[d.InputOffset():])) > 0 {
		return errors.New("its list is empty, and something follows its end")
	}
	return nil
}

// totalOf reads a total: a number, or a text that begins with one ("18,").
func totalOf(value jsontext.Value) int64 {
	text := strings.TrimSpace(strings.Trim(string(value), `"`))
	if end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 && value.Kind() == jsontext.KindString {
		text = text[:end]
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || n != float64(int64(n)) {
		return -1
	}
	return int64(n)
}

// textOf is a string, or whatever else is there as it is.
func textOf(value jsontext.Value) string {
	var text string
	if value.Kind() == jsontext.KindNull {
		return ""
	}
	if json.Unmarshal(value, &text, jsontext.AllowInvalidUTF8(true)) != nil {
		return string(value)
	}
	return text
}

// reader reads lists, and remembers what could not be read lately. It is used by one goroutine at a
// time.
type reader struct {
	c     *Client
	what  string // for error texts
	name  string // the member that holds the list
	flaws jsonwalk.Flaws
}

// maxRows is far more than an answer has, also if something in between drops the count.
const maxRows = 20 * pageRows

// rows visits the rows of an answer and returns their total.
func (r *reader) rows(body []byte, names []string, begin func(l list), visit func(jsonwalk.Element) error) (total int64, err error) {
	l, err := readList(body, r.name)
	if err != nil {
		return -1, r.bad(body, err, nil)
	}
	n := 0
	bounded := func(el jsonwalk.Element) error {
		if n++; n > maxRows {
			return jsonwalk.ErrTooMany
		}
		return visit(el)
	}
	if begin(l); !l.broken {
		if err = jsonwalk.Walk(l.rows, names, bounded); err == nil {
			return l.total, nil
		}
		begin(l)
	}
	n = 0
	recovered := r.flaws.Recover(l.rows, names, bounded)
	if recovered == nil {
		recovered = r.flaws.Confirm()
	}
	if recovered != nil {
		if err == nil {
			err = recovered
		}
		return -1, r.bad(body, err, recovered)
	}
	return l.total, nil
}

// bad is the error for an answer that can't be read: err says why, and recovered, if not nil, why
// its list can't be divided either.
func (r *reader) bad(body []byte, err, recovered error) error {
	var said *message
	if errors.As(err, &said) {
		said.text = transport.Excerpt(said.text, r.c.hidden()...)
		if said.code != "" {
			said.code = transport.Excerpt(said.code, r.c.hidden()...)
			// The plugin found a mistake in the request, and would again.
			return fmt.Errorf("%s: %w: this connector and the version of the plugin do not fit together", r.what, said)
		}
	}
	err = fmt.Errorf("%s: the answer is damaged: %w", r.what, err)
	if errors.Is(recovered, jsonwalk.ErrDoubtful) {
		return &pipeline.Retryable{Err: err}
	}
	broken := remote.Broken(err, body)
	broken.Message = said != nil
	return &pipeline.Retryable{Err: broken}
}

// contradictions counts successive answers in which the service counts more than it lists.
type contradictions struct {
	at    string // where
	times int
}

// judge decides on a list of which the service counts more rows than it shows. A commit between two
// of its queries looks like that, so the list is requested again at first; after that, incomplete is
// the verdict.
func (c *contradictions) judge(at string, hidden int64, what string) (incomplete, err error) {
	if hidden <= 0 {
		if c.at == at {
			c.times = 0
		}
		return nil, nil
	}
	if c.at != at {
		*c = contradictions{at: at}
	}
	incomplete = errors.New(what + ": the others are not delivered yet, and are asked for again")
	if c.times++; c.times < jsonwalk.Sightings {
		return nil, &pipeline.Retryable{Err: incomplete}
	}
	return incomplete, nil
}
