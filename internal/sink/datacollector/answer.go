package datacollector

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

// answer is the response of the service, or of something in between, to a post.
type answer struct {
	*azmonitor.Answer
	sent   time.Time // when the post was signed
	broken bool      // truncated or invalid JSON
	text   string    // the beginning of the body, safe to show
	says   string    // the text of the body: the string values if it is JSON, else all of it
	// key signed the post. keyNames and keyNotes are set once all keys were refused: their
	// settings, and where they came from.
	key                key
	keyNames, keyNotes string
}

// newAnswer reads the body. The service reports errors as {"Error":…,"Message":…}.
func newAnswer(from *azmonitor.Answer, sent time.Time, masked ...secret.String) *answer {
	body := from.Body
	a := &answer{Answer: from, sent: sent, text: transport.Excerpt(string(body), masked...), says: values(body)}
	a.broken = len(body) > 0 && (body[0] == '{' || body[0] == '[') && !jsontext.Value(body).IsValid()
	var form struct {
		Error   string `json:"Error,case:ignore"`
		Message string `json:"Message,case:ignore"`
	}
	// A body of another form is not from the service.
	if json.Unmarshal(body, &form) == nil {
		a.Code, a.Message = transport.Excerpt(form.Error, masked...), transport.Excerpt(form.Message, masked...)
	}
	return a
}

// values returns the strings in a JSON body without the member names. It returns any other
// body unchanged.
func values(body []byte) string {
	if len(body) == 0 || body[0] != '{' && body[0] != '[' {
		return string(body)
	}
	var texts []string
	for dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); ; {
		token, err := dec.ReadToken()
		if err != nil {
			return strings.Join(texts, "\n")
		}
		kind, length := dec.StackIndex(dec.StackDepth())
		if token.Kind() == '"' && (kind != '{' || length%2 == 0) {
			texts = append(texts, token.String())
		}
	}
}

// judge turns the answer into the error of Write, nil for an acknowledgement.
// records and size are the number of records and bytes in the post.
func (a *answer) judge(records, size int) error {
	switch a.Status {
	case http.StatusOK:
		switch {
		case !a.Whole, a.Doubtful:
			return a.Early()
		case a.NotAnAck() != "":
			return &pipeline.Retryable{Err: fmt.Errorf("%v %s %s is not the answer of the service but of something in between: the batch counts as not delivered; %s",
				a, map[bool]string{true: "with", false: "and"}[a.Empty], a.NotAnAck(), remedy)}
		case a.saysNo():
			// The service acknowledges without a body.
			return &pipeline.Retryable{Err: fmt.Errorf("%s is not the answer of the service but of something in between: the batch counts as not delivered; %s", a.quoted(), remedy)}
		case !a.Empty:
			return &doubt{a}
		}
		return nil
	case http.StatusBadRequest:
		return a.judgeBadRequest()
	case http.StatusForbidden:
		if a.Gateway != nil {
			return a.Gateway
		}
		return a.judgeForbidden()
	case http.StatusNotFound:
		return &pipeline.Rejected{
			Err:       fmt.Errorf("%v: the batch is too large, or the address is wrong: check CUSTOMER_ID and logAnalyticsUri", a),
			Ambiguous: true,
		}
	case http.StatusRequestEntityTooLarge:
		if records == 1 && size <= MaxBody/2 {
			return a.Small(size, MaxBody)
		}
	}
	if err := a.Other("logAnalyticsUri"); err != nil {
		return err
	}
	return fmt.Errorf("%v is not an acknowledgement that the service documents: the batch counts as not delivered; check logAnalyticsUri, and what is in between", a)
}

// quoted describes the answer with what its body says.
func (a *answer) quoted() string {
	if a.Code != "" || a.Message != "" || a.Page {
		return fmt.Sprintf("%v (%q)", a, a.text)
	}
	text := fmt.Sprintf("status %d with the body %q", a.Status, a.text)
	if a.text == "" {
		text = fmt.Sprintf("status %d with a body of white space", a.Status)
	}
	if a.Request != "" {
		text += ", request " + a.Request
	}
	return text
}

// saysNo reports whether the body of a 200 can't be an acknowledgement: an HTML page,
// truncated JSON, an error, or words that a policy proxy uses. In JSON, only values
// count: {"accepted":5,"errors":[]} is not a refusal.
func (a *answer) saysNo() bool {
	if a.Page || a.broken || a.Code != "" {
		return true
	}
	text := strings.ToLower(a.says)
	return slices.ContainsFunc([]string{"denied", "deny", "block", "forbid", "refuse", "reject", "error", "fail", "unauthor", "sign in", "not allowed", "timed out", "timeout", "unavailable"},
		func(word string) bool { return strings.Contains(text, word) })
}

// judgeBadRequest follows the table of return codes on Microsoft's page.
func (a *answer) judgeBadRequest() error {
	remedy := "everything is kept and sent again by the next run"
	switch a.Code {
	case "":
		if a.Gateway != nil {
			return a.Gateway
		}
		remedy = transport.Unexpected(a.Status, a.Peer) + "; " + remedy
	case "InvalidDataFormat":
		return &pipeline.Rejected{Err: fmt.Errorf("%v: the service can't take a record of the batch", a)}
	case "InactiveCustomer":
		remedy = "CUSTOMER_ID names a workspace that was closed: set CUSTOMER_ID and SHARED_KEY to one that is in use"
	case "InvalidCustomerId":
		remedy = "CUSTOMER_ID is wrong: set it to the id of the workspace, from the portal's page Agents"
	case "InvalidApiVersion", "MissingApiVersion":
		remedy = "the query of the address was lost or changed in transit: check logAnalyticsUri, and proxies in between"
	case "MissingContentType", "UnsupportedContentType":
		remedy = "the header Content-Type was lost or changed in transit: check proxies in between"
	case "MissingLogType", "InvalidLogType":
		remedy = "the service does not take the table's name: it must have letters, digits and _ only"
	}
	return fmt.Errorf("%v: %s", a, remedy)
}

const (
	// signatureLife is how far a signature's date may be from the service's clock.
	signatureLife = 15 * time.Minute
	// slack covers the round trip and the resolution of HTTP dates.
	slack = time.Minute
)

// refusesKey reports whether the answer may be the service's refusal of the key. With a wrong
// clock, another key does not help.
func (a *answer) refusesKey() bool {
	off, _ := a.clockOff()
	return a.Status == http.StatusForbidden && a.Gateway == nil && off.Abs() < signatureLife-slack
}

// clockOff is how far this machine's clock is ahead of the service's.
func (a *answer) clockOff() (off time.Duration, known bool) {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return a.sent.Sub(date), true
}

// judgeForbidden checks for the one cause that is visible on this side: the clock.
func (a *answer) judgeForbidden() error {
	names, verb := cmp.Or(a.keyNames, settingPrimary), "does not belong to CUSTOMER_ID, or was regenerated: copy both"
	if strings.Contains(names, " and ") {
		verb = "do not belong to CUSTOMER_ID, or were regenerated: copy all three"
	}
	causes := a.key.hint + names + " " + verb + " again from the portal's page Agents. " +
		"Other causes are a TLS-inspecting proxy that changes requests, and a workspace that accepts no keys (DisableLocalAuth) or no public network traffic"
	if a.keyNotes != "" {
		causes += ". " + a.keyNotes
	}
	if a.Code == "" {
		causes = transport.Doubtful(a.Peer) + causes
	}
	off, known := a.clockOff()
	if !known {
		return fmt.Errorf("%v: %s; the answer has no date to compare this machine's clock with", a, causes)
	}
	direction := "ahead of"
	if off < 0 {
		off, direction = -off, "behind"
	}
	minutes := int(off.Round(time.Minute) / time.Minute)
	switch {
	case off >= signatureLife-slack:
		return fmt.Errorf("%v: this machine's clock is off by %d minutes, %s the service's, and signatures are valid for %d: set the clock", a, minutes, direction, int(signatureLife/time.Minute))
	case off >= 5*time.Minute:
		return fmt.Errorf("%v: %s. This machine's clock is also off by %d minutes, %s the service's", a, causes, minutes, direction)
	}
	return fmt.Errorf("%v: %s", a, causes)
}
