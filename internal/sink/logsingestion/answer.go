package logsingestion

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

// roleWait is how long to wait before checking again whether a role has taken effect.
const roleWait = 30 * time.Second

// answer is the response of the service, or of something in between, to a post.
type answer struct{ *azmonitor.Answer }

// newAnswer reads the body. The service reports errors as {"error":{"code":…,"message":…}}.
func newAnswer(from *azmonitor.Answer, masked ...secret.String) *answer {
	a := &answer{from}
	var form struct {
		Error struct {
			Code    string `json:"code,case:ignore"`
			Message string `json:"message,case:ignore"`
		} `json:"error,case:ignore"`
	}
	// A body of another form is not from the service, and is not shown.
	if json.Unmarshal(a.Body, &form) == nil {
		a.Code, a.Message = transport.Excerpt(form.Error.Code, masked...), transport.Excerpt(form.Error.Message, masked...)
	}
	a.Code = cmp.Or(a.Code, transport.Excerpt(a.Header.Get("x-ms-error-code"), masked...))
	return a
}

// judge turns the answer of a stream into the error of Write, nil for an acknowledgement.
func (a *answer) judge(s *Sink, stream string) error {
	rule := s.ruleID
	switch a.Status {
	case http.StatusNoContent:
		if !a.Whole || a.Doubtful {
			return a.Early()
		}
		if name := a.NotAnAck(); name != "" {
			return &pipeline.Retryable{Err: fmt.Errorf("%v with %s is not the answer of the service but of something in between: "+
				"the batch counts as not delivered; check proxies and gateways", a, name)}
		}
		// The HTTP client reads no body after this status, whatever is announced.
		if length := a.Header.Get("Content-Length"); !a.Empty || length != "" && length != "0" {
			return &pipeline.Retryable{Err: fmt.Errorf("status %d with a body is not the answer of the service but of something in between: "+
				"the batch counts as not delivered; check proxies and gateways", a.Status)}
		}
		return nil
	case http.StatusBadRequest:
		return a.judgeBadRequest(rule, stream)
	case http.StatusUnauthorized, http.StatusForbidden:
		if a.Gateway != nil {
			return a.Gateway
		}
		return a.judgeDenied(rule, s.tokens.audience, s.identity)
	case http.StatusNotFound:
		return a.missing(rule, stream)
	}
	if err := a.Other("LOGS_INGESTION_ENDPOINT"); err != nil {
		return err
	}
	// The service acknowledges with 204 only.
	return &pipeline.Retryable{Err: fmt.Errorf("%v is not the answer of the service but of something in between: the batch counts as not delivered; check LOGS_INGESTION_ENDPOINT if this persists", a)}
}

// judgeDenied explains why the service refuses the token or its identity.
func (a *answer) judgeDenied(rule, audience string, who entra.Identity) error {
	doubt := ""
	if a.Code == "" {
		doubt = transport.Doubtful(a.Peer)
	}
	if who.Abroad() {
		return a.judgeAbroad(rule, audience, who)
	}
	if a.Status == http.StatusUnauthorized {
		return fmt.Errorf("%v: %sthe token is rejected, and so is a new one: AZURE_CLIENT_ID must name an identity of the tenant that the data collection rule is in, "+
			"and LOGS_INGESTION_ENDPOINT must be of the same cloud (tokens are for %s)", a, doubt, audience)
	}
	return &pipeline.Retryable{After: roleWait, Err: fmt.Errorf("%w: %sthe identity (AZURE_CLIENT_ID) may not send to the data collection rule %s (DCR_IMMUTABLE_ID): "+
		"give it the role Monitoring Metrics Publisher on that rule; if it was given, the role may not have taken effect yet (up to 30 minutes). Nothing is lost meanwhile. "+
		"A rule with a private link rejects public networks in the same way", &denied{a}, doubt, rule)}
}

// judgeAbroad is judgeDenied for the app that signs in to the directory of the rule.
func (a *answer) judgeAbroad(rule, audience string, who entra.Identity) error {
	if a.Status == http.StatusUnauthorized {
		return fmt.Errorf("%v: the token is rejected, and so is a new one: WORKSPACE_DIRECTORY_ID (%s) must be the directory of the subscription that the data collection rule is in, "+
			"and LOGS_INGESTION_ENDPOINT must be of the same cloud (tokens are for %s)", a, who.Directory, audience)
	}
	return &pipeline.Retryable{After: roleWait, Err: fmt.Errorf("%w: %s may not send to the data collection rule %s (DCR_IMMUTABLE_ID): "+
		"an owner of the rule gives its service principal in that directory the role Monitoring Metrics Publisher on that rule; if it was given, the role may not have taken effect yet (up to 30 minutes). Nothing is lost meanwhile. "+
		"A rule with a private link rejects public networks in the same way", &denied{a}, who, rule)}
}

// denied is an answer that refuses the identity.
type denied struct{ *answer }

// Error describes the answer.
func (d *denied) Error() string { return fmt.Sprint(d.answer) }

// Denied reports whether an error means that the identity may not send to the rule.
func Denied(err error) bool {
	var refused *denied
	return errors.As(err, &refused)
}

// missing explains what does not exist. The service may name the stream or leave it open.
func (a *answer) missing(rule, stream string) error {
	if strings.Contains(strings.ToLower(a.Code), "stream") {
		return fmt.Errorf("%v: the data collection rule has no stream Custom-%s: deploy the template of this version again, which adds it, "+
			"or let DCR_IMMUTABLE_ID (%s) name the rule that it made. Everything is kept", a, stream, rule)
	}
	return fmt.Errorf("%v: there is no such data collection rule, it has no stream Custom-%s, or the endpoint is another rule's: check DCR_IMMUTABLE_ID (%s) "+
		"and LOGS_INGESTION_ENDPOINT, and deploy the template of this version again. Everything is kept", a, stream, rule)
}

// cutOff reports whether the service gave up reading. Its page on errors blames the
// size of the request, but a slow connection has the same effect.
func (a *answer) cutOff() bool {
	text := strings.ToLower(a.Code + " " + a.Message)
	return a.Status >= 400 && a.Status < 500 && (strings.Contains(text, "timeoutexpired") || strings.Contains(text, "clientconnectionabort"))
}

// unread is the error for a single record that the service did not finish reading.
func (a *answer) unread() error {
	return &pipeline.Retryable{Err: fmt.Errorf("%v: the service gave up reading the request: if this persists, check the connection and proxies in between", a)}
}

// judgeBadRequest distinguishes a bad record from a wrong configuration. Microsoft
// does not list the codes; these are known from practice, and [Sink.confirmRejection]
// checks the others.
func (a *answer) judgeBadRequest(rule, stream string) error {
	switch code := strings.ToLower(a.Code); {
	case code == "":
		return fmt.Errorf("%v: %s; everything is kept", a, transport.Unexpected(a.Status, a.Peer))
	case strings.Contains(code, "stream"), strings.Contains(code, "notfound"):
		return a.missing(rule, stream)
	case strings.Contains(code, "apiversion"), strings.Contains(code, "api-version"), strings.Contains(code, "contenttype"), strings.Contains(code, "contentencoding"):
		return fmt.Errorf("%v: a part of the request was lost or changed in transit: check LOGS_INGESTION_ENDPOINT, and proxies in between", a)
	}
	return &pipeline.Rejected{Err: fmt.Errorf("%v: the service can't take a record of the batch", a)}
}
