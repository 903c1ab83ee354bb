package fault

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The default bodies. The JSON ones are worded as SailPoint's services word theirs.
const (
	bodyTooMany      = `{"message":" Rate Limit Exceeded "}`
	bodyServerError  = `{"detailCode":"500.0 Internal Fault","trackingId":"fa17fa17fa17fa17fa17fa17fa17fa17","messages":[{"locale":"en-US","localeOrigin":"DEFAULT","text":"An internal fault occurred."}],"causes":[]}`
	bodyBadGateway   = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"
	bodyUnauthorized = `{"error":"JWT validation failed: JWT is expired"}`
	bodyForeign      = "Access denied by policy"
	bodyWrongShape   = `{"message":"Endpoint request timed out","items":[]}`
)

const (
	typeJSON = "application/json"
	typeHTML = "text/html"
	typeText = "text/plain"
)

// foreign answers in the place of the service.
func (r Rule) foreign(w http.ResponseWriter) {
	status := cmp.Or(r.Status, http.StatusOK)
	name, value, more := strings.Cut(r.Header, ": ")
	if !more {
		r.answer(w, status, typeText, bodyForeign)
		return
	}
	w.Header().Set(name, value)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, r.Body)
}

// serve lets the request meet the rule's fault.
func (r Rule) serve(w http.ResponseWriter, req *http.Request, h http.Handler) {
	if !wait(req.Context(), r.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch r.Kind {
	case TooManyRequests:
		r.answer(w, http.StatusTooManyRequests, typeJSON, bodyTooMany)
	case ServerError:
		r.answer(w, http.StatusInternalServerError, typeJSON, bodyServerError)
	case BadGateway:
		r.answer(w, http.StatusBadGateway, typeHTML, bodyBadGateway)
	case Unavailable:
		r.answer(w, http.StatusServiceUnavailable, "", "")
	case Unauthorized:
		r.answer(w, http.StatusUnauthorized, typeJSON, bodyUnauthorized)
	case WrongShape:
		r.answer(w, http.StatusOK, typeJSON, bodyWrongShape)
	case Early:
		w.WriteHeader(cmp.Or(r.Status, http.StatusOK))
	case Foreign:
		_, _ = io.Copy(io.Discard, req.Body)
		r.foreign(w)
	case Reset:
		panic(http.ErrAbortHandler)
	case ResetAfter:
		h.ServeHTTP(newRecorder(), req)
		panic(http.ErrAbortHandler)
	case Cut:
		cut(w, req, h)
	case Malformed:
		malformed(w, req, h)
	case Slow:
		h.ServeHTTP(w, req)
	default:
		// A misspelt kind must not look like a service that works.
		panic(fmt.Sprintf("fault plan: unknown kind %q", r.Kind))
	}
}

// answer writes a whole answer in the handler's place.
func (r Rule) answer(w http.ResponseWriter, status int, contentType, body string) {
	body = cmp.Or(r.Body, body)
	if r.RetryAfter != "" && status >= 400 {
		w.Header().Set("Retry-After", r.RetryAfter)
	}
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// cut announces the handler's whole body and sends the first half of it. An
// answer without a body can only be cut before it begins.
func cut(w http.ResponseWriter, req *http.Request, h http.Handler) {
	rec := newRecorder()
	h.ServeHTTP(rec, req)
	body := rec.body.Bytes()
	if len(body) == 0 {
		panic(http.ErrAbortHandler)
	}
	rec.copyHeader(w.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rec.status())
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// malformed sends the first half of the handler's body as if it were the whole.
// A proper prefix of a JSON array or object is never JSON.
func malformed(w http.ResponseWriter, req *http.Request, h http.Handler) {
	rec := newRecorder()
	h.ServeHTTP(rec, req)
	body := rec.body.Bytes()
	if len(body) > 1 && (body[0] == '[' || body[0] == '{') {
		body = body[:len(body)/2]
	} else {
		body = []byte(`[{"id":`)
	}
	rec.copyHeader(w.Header())
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
}

// wait reports whether d passed before the client gave up.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
