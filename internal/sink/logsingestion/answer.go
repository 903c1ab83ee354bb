package logsingestion

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// roleWait is how long to wait before asking again whether a role has spread.
const roleWait = 30 * time.Second

// answer is what the service, or something in between, said to a post.
type answer struct {
	status  int
	header  http.Header
	whole   bool // it came after all of the body was sent
	empty   bool
	html    bool
	request string // the service's id for it
	// code and message are of the service's error body, {"error":{"code":…,"message":…}}.
	code, message string
	// gateway says whose the answer is if it is not the service's, else nil.
	gateway *transport.Failure
}

func newAnswer(resp *http.Response, body []byte, peer transport.Peer, masked ...secret.String) *answer {
	body = bytes.TrimSpace(body)
	a := &answer{
		status: resp.StatusCode, header: resp.Header,
		empty:   len(body) == 0,
		html:    len(body) > 0 && (strings.Contains(resp.Header.Get("Content-Type"), "html") || body[0] == '<'),
		gateway: transport.Gateway(resp.StatusCode, resp.Header, body, peer, masked...),
		request: transport.Excerpt(resp.Header.Get("x-ms-request-id"), masked...),
	}
	var form struct {
		Error struct {
			Code    string `json:"code,case:ignore"`
			Message string `json:"message,case:ignore"`
		} `json:"error,case:ignore"`
	}
	// What is not in that form is somebody else's text, and not shown.
	if json.Unmarshal(body, &form) == nil {
		a.code, a.message = transport.Excerpt(form.Error.Code, masked...), transport.Excerpt(form.Error.Message, masked...)
	}
	a.code = cmp.Or(a.code, transport.Excerpt(resp.Header.Get("x-ms-error-code"), masked...))
	return a
}

// String says what the answer was, not what to do about it.
func (a *answer) String() string {
	text := fmt.Sprintf("status %d", a.status)
	switch {
	case a.code != "":
		text += " " + a.code
	case a.html:
		text += " with an HTML page"
	case !a.empty && a.message == "":
		text += " with a body that is not the service's"
	}
	if a.message != "" {
		text += " (" + a.message + ")"
	}
	if a.request != "" {
		text += ", request " + a.request
	}
	return text
}

// judge turns the answer into the error of Write, nil for an acknowledgement.
func (a *answer) judge(rule, stream, audience string) error {
	switch a.status {
	case http.StatusNoContent:
		if !a.whole {
			return &pipeline.Retryable{Err: fmt.Errorf("%v came before the batch was sent to its end, so something in between answered and not the service: "+
				"the batch counts as not delivered; check proxies and gateways", a)}
		}
		if name := transport.NotAnAck(a.header); name != "" {
			return &pipeline.Retryable{Err: fmt.Errorf("%v with the header %s is not the answer of the service but of something in between: "+
				"the batch counts as not delivered; check proxies and gateways", a, name)}
		}
		return nil
	case http.StatusBadRequest:
		return a.judgeBadRequest(rule, stream)
	case http.StatusUnauthorized, http.StatusForbidden:
		if a.gateway != nil {
			return a.gateway
		}
		return a.judgeDenied(rule, audience)
	case http.StatusNotFound:
		return a.missing(rule, stream)
	case http.StatusRequestEntityTooLarge:
		return &pipeline.Rejected{Err: fmt.Errorf("%v: the batch is too large", a)}
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return a.retryable()
	case http.StatusProxyAuthRequired:
		return a.gateway
	}
	switch {
	case a.status >= 500:
		return a.retryable()
	case a.status >= 400 && a.gateway != nil:
		return a.gateway
	case a.status >= 400:
		return fmt.Errorf("%v is nothing that the service documents: everything is kept and sent again by the next run", a)
	case a.status >= 300:
		return fmt.Errorf("%v is a redirect, and redirects are not followed: check LOGS_INGESTION_ENDPOINT, and whether a proxy asks for a sign-in", a)
	}
	// The service says yes with 204 and nothing else.
	return &pipeline.Retryable{Err: fmt.Errorf("%v is not the answer of the service but of something in between: the batch counts as not delivered; check LOGS_INGESTION_ENDPOINT if that stays so", a)}
}

// judgeDenied says why the service does not take the token, or not its bearer.
func (a *answer) judgeDenied(rule, audience string) error {
	if a.status == http.StatusUnauthorized {
		return fmt.Errorf("%v: the token is refused, a new one too: AZURE_CLIENT_ID must name an identity of the tenant that the data collection rule is in, "+
			"and LOGS_INGESTION_ENDPOINT must be of the same cloud (tokens are for %s)", a, audience)
	}
	return &pipeline.Retryable{After: roleWait, Err: fmt.Errorf("%v: the identity (AZURE_CLIENT_ID) may not send to the data collection rule %s (DCR_IMMUTABLE_ID): "+
		"give it the role Monitoring Metrics Publisher on that rule; if it was given, the role may still be spreading (up to 30 minutes). Nothing is lost meanwhile. "+
		"A rule behind a private link refuses public networks in the same way", a, rule)}
}

// missing says what is not there. The service names the stream, or leaves it open.
func (a *answer) missing(rule, stream string) error {
	if strings.Contains(strings.ToLower(a.code), "stream") {
		return fmt.Errorf("%v: the data collection rule has no stream Custom-%s: deploy the template of this version again, which adds it, "+
			"or let DCR_IMMUTABLE_ID (%s) name the rule that it made. Everything is kept", a, stream, rule)
	}
	return fmt.Errorf("%v: there is no such data collection rule, it has no stream Custom-%s, or the endpoint is another rule's: check DCR_IMMUTABLE_ID (%s) "+
		"and LOGS_INGESTION_ENDPOINT, and deploy the template of this version again. Everything is kept", a, stream, rule)
}

// cutOff says that the service gave up reading. Its page on errors blames the size
// of the request; a slow line does the same.
func (a *answer) cutOff() bool {
	text := strings.ToLower(a.code + " " + a.message)
	return a.status >= 400 && a.status < 500 && (strings.Contains(text, "timeoutexpired") || strings.Contains(text, "clientconnectionabort"))
}

// unread is the error for a single record that the service did not read to its end.
func (a *answer) unread() error {
	return &pipeline.Retryable{Err: fmt.Errorf("%v: the service gave up reading the request: if that stays so, check the line, and proxies in between", a)}
}

func (a *answer) retryable() error {
	now, err := http.ParseTime(a.header.Get("Date")) // a date to wait for is one of the service's clock
	if err != nil {
		now = time.Now()
	}
	err = errors.New(a.String())
	if a.gateway != nil {
		err = a.gateway
	}
	return &pipeline.Retryable{Err: err, After: transport.RetryAfter(a.header, now)}
}

// judgeBadRequest tells what is wrong with a record from what is wrong with the
// setup. The codes are not documented as a list; these are known from practice,
// and [Sink.believe] asks again where one is not.
func (a *answer) judgeBadRequest(rule, stream string) error {
	switch code := strings.ToLower(a.code); {
	case code == "":
		return fmt.Errorf("%v is not the service's: check LOGS_INGESTION_ENDPOINT, and proxies in between; everything is kept", a)
	case strings.Contains(code, "stream"), strings.Contains(code, "notfound"):
		return a.missing(rule, stream)
	case strings.Contains(code, "apiversion"), strings.Contains(code, "api-version"), strings.Contains(code, "contenttype"), strings.Contains(code, "contentencoding"):
		return fmt.Errorf("%v: a part of the request got lost or changed on the way: check LOGS_INGESTION_ENDPOINT, and proxies in between", a)
	}
	return &pipeline.Rejected{Err: fmt.Errorf("%v: the service can't take a record of the batch", a)}
}
