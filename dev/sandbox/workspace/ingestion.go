package workspace

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Limits of the Logs Ingestion API.
const (
	ingestionVersion = "2023-01-01"
	maxWire          = 1 << 20
	maxUnpacked      = 50 << 20
)

// ingest is the Logs Ingestion API.
func (w *Workspace) ingest(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("x-ms-request-id", uuid.NewString())
	wire, refused := readWire(r)
	var (
		rule   *Rule
		stream schema.Stream
	)
	if refused == nil {
		rule, stream, refused = w.admit(rw, r)
	}
	if refused != nil {
		w.refuse(rw, refused)
		return
	}
	body, refused := unpack(r, wire)
	if refused != nil {
		w.refuse(rw, refused)
		return
	}
	if len(body) > maxUnpacked {
		// Taken, and thrown away later: the worst of it.
		for _, flow := range rule.flows(stream.Name) {
			w.Table(flow.Name).drop(fmt.Sprintf("a batch of %d bytes was acknowledged and dropped", len(body)))
		}
		w.write(rw, http.StatusNoContent, "")
		return
	}
	batch, refused := w.readRows(stream, body)
	if refused != nil {
		w.refuse(rw, refused)
		return
	}
	w.store(rule, stream, batch, len(wire), len(body))
	w.write(rw, http.StatusNoContent, "")
	if w.AfterAck != nil && len(batch) > 0 {
		_ = http.NewResponseController(rw).Flush()
		w.AfterAck(len(batch))
	}
}

// store files the rows in every table that the stream fills.
func (w *Workspace) store(rule *Rule, stream schema.Stream, batch []item, wire, raw int) {
	if len(batch) == 0 {
		return // a health check
	}
	duplicates := 0
	for _, flow := range rule.flows(stream.Name) {
		n := w.Table(flow.Name).add(batch, stored{received: w.now(), via: flow})
		duplicates = max(duplicates, n)
	}
	w.count(len(batch), duplicates, wire, raw)
	if w.OnAck != nil {
		w.OnAck(len(batch))
	}
}

func (t *Table) drop(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped = append(t.dropped, what)
}

// readWire comes first: the limit is that of the web server in front.
func readWire(r *http.Request) ([]byte, *refusal) {
	wire, err := io.ReadAll(io.LimitReader(r.Body, maxWire+1))
	switch {
	case len(wire) > maxWire:
		_, _ = io.Copy(io.Discard, r.Body) // so that the client hears the answer
		return nil, &refusal{http.StatusRequestEntityTooLarge, "ContentLengthLimitExceeded", "Maximum allowed content length: 1048576 bytes (1 MB)."}
	case err != nil || r.ContentLength >= 0 && int64(len(wire)) != r.ContentLength:
		return nil, &refusal{http.StatusBadRequest, "ReadyBody_ClientConnectionAbort", "The connection was closed by the client"}
	}
	return wire, nil
}

// admit looks at everything but the body.
func (w *Workspace) admit(rw http.ResponseWriter, r *http.Request) (*Rule, schema.Stream, *refusal) {
	var none schema.Stream
	if r.Method != http.MethodPost {
		return nil, none, &refusal{http.StatusMethodNotAllowed, "MethodNotAllowed", "Use POST"}
	}
	if version := r.URL.Query().Get("api-version"); version != ingestionVersion {
		return nil, none, &refusal{http.StatusBadRequest, "InvalidApiVersion", "The api-version is missing or not known"}
	}
	id := r.PathValue("rule")
	rule := w.Rules[id]
	if refused := w.authorize(rw, r, rule); refused != nil {
		return nil, none, refused
	}
	if rule == nil {
		return nil, none, &refusal{http.StatusNotFound, "NotFound", fmt.Sprintf("Data collection rule with immutable Id '%s' not found.", id)}
	}
	if w.now().Before(rule.Granted) {
		return nil, none, &refusal{http.StatusForbidden, "OperationFailed", fmt.Sprintf("The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '%s'.", id)}
	}
	stream, ok := rule.stream(r.PathValue("stream"))
	if !ok {
		return nil, none, &refusal{http.StatusNotFound, "InvalidStream", fmt.Sprintf("Stream '%s' is not declared in the data collection rule.", r.PathValue("stream"))}
	}
	if rule.Broken != "" {
		return nil, none, badRequest(rule.Broken, "The rule can't be used as it is")
	}
	if wait := rule.admit(w.now()); wait > 0 {
		rw.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return nil, none, &refusal{http.StatusTooManyRequests, "TooManyRequests", "The rule takes no more requests in this minute"}
	}
	if r.Header.Get("Content-Type") != "application/json" {
		return nil, none, badRequest("InvalidContentType", "The content type must be application/json")
	}
	return rule, stream, nil
}

// unpack reads the body, at most a little more than the service keeps.
func unpack(r *http.Request, wire []byte) ([]byte, *refusal) {
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		return wire, nil
	case "gzip":
	default:
		return nil, badRequest("UnsupportedContentEncoding", "The only content encoding is gzip")
	}
	z, err := gzip.NewReader(bytes.NewReader(wire))
	if err != nil {
		return nil, badRequest("InvalidGzipPayload", "The body is not gzip")
	}
	body, err := io.ReadAll(io.LimitReader(z, maxUnpacked+1))
	if err != nil {
		return nil, badRequest("InvalidGzipPayload", "The body is not gzip, or ends too early")
	}
	return body, nil
}

// readRows splits the body, which must be an array.
func (w *Workspace) readRows(stream schema.Stream, body []byte) ([]item, *refusal) {
	bad := func(what string) *refusal { return badRequest("InvalidPayload", "The body is not valid: "+what) }
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) == 0 || first[0] != '[' {
		return nil, bad("not an array")
	}
	batch, err := split(body, w.Identify == nil)
	switch {
	case errors.Is(err, errNotObject):
		return nil, bad(err.Error())
	case err != nil:
		return nil, bad("not JSON")
	}
	for i := range batch {
		if w.Poison != nil && w.Poison(batch[i].raw) {
			return nil, badRequest("InvalidPayload", fmt.Sprintf("Record %d can't be taken", i))
		}
		if w.Identify != nil {
			batch[i].id = w.Identify(stream.Name, batch[i].raw)
		}
	}
	return batch, nil
}

// refuse writes an answer in the form of the Logs Ingestion API.
func (w *Workspace) refuse(rw http.ResponseWriter, a *refusal) {
	rw.Header().Set("x-ms-error-code", a.code)
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.write(rw, a.status, fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, cmp.Or(a.code, "Error"), a.message))
}
