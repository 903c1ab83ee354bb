package workspace

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	apiVersion = "2016-04-01"
	maxBody    = 30_000_000
	// signatureLife is how far x-ms-date may be from the service's clock.
	signatureLife = 15 * time.Minute
)

var (
	logTypeForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)
	workspaceForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// refusal is an answer other than 200.
type refusal struct {
	status        int
	code, message string
}

func badRequest(code, message string) *refusal {
	return &refusal{http.StatusBadRequest, code, message}
}

func forbidden(message string) *refusal {
	return &refusal{http.StatusForbidden, "InvalidAuthorization", message}
}

// collect is the Data Collector API.
func (w *Workspace) collect(rw http.ResponseWriter, r *http.Request) {
	body, refused := w.readBody(r)
	if refused == nil {
		refused = w.checkRequest(r, len(body))
	}
	var batch []item
	if refused == nil {
		batch, refused = w.readBatch(r.Header.Get("Log-Type"), body)
	}
	if refused != nil {
		w.answer(rw, *refused)
		return
	}
	t := w.Table(r.Header.Get("Log-Type"))
	duplicates := t.add(batch, stored{timeField: r.Header.Get("time-generated-field"), received: w.now()})
	w.count(len(batch), duplicates, len(body), len(body))
	if w.OnAck != nil {
		w.OnAck(len(batch))
	}
	w.answer(rw, refusal{status: http.StatusOK})
	if w.AfterAck != nil {
		_ = http.NewResponseController(rw).Flush()
		w.AfterAck(len(batch))
	}
}

// readBody comes first: the limit is that of the web server in front.
func (w *Workspace) readBody(r *http.Request) ([]byte, *refusal) {
	limit := cmp.Or(w.MaxBody, maxBody)
	tooLarge := &refusal{status: cmp.Or(w.TooLarge, http.StatusNotFound)}
	switch {
	case r.ContentLength < 0:
		return nil, &refusal{status: http.StatusLengthRequired}
	case r.ContentLength > int64(limit):
		_, _ = io.Copy(io.Discard, r.Body) // so that the client hears the answer
		return nil, tooLarge
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, &refusal{status: http.StatusBadRequest}
	}
	return body, nil
}

// checkRequest looks at everything but the body: who asks before what is asked.
func (w *Workspace) checkRequest(r *http.Request, length int) *refusal {
	if r.Method != http.MethodPost {
		return &refusal{status: http.StatusMethodNotAllowed}
	}
	switch version := r.URL.Query().Get("api-version"); version {
	case apiVersion:
	case "":
		return badRequest("MissingApiVersion", "The API version was not specified")
	default:
		return badRequest("InvalidApiVersion", "The API version is not known")
	}
	if refused := w.authenticate(r, length); refused != nil {
		return refused
	}
	switch r.Header.Get("Content-Type") {
	case "application/json":
	case "":
		return badRequest("MissingContentType", "The content type was not specified")
	default:
		return badRequest("UnsupportedContentType", "The content type was not application/json")
	}
	switch name := r.Header.Get("Log-Type"); {
	case name == "":
		return badRequest("MissingLogType", "The log type was not specified")
	case !logTypeForm.MatchString(name):
		return badRequest("InvalidLogType", "The log type has characters that are not allowed")
	}
	return nil
}

// authenticate verifies the signature. It is written from the description of the
// API and shares no code with the connector.
func (w *Workspace) authenticate(r *http.Request, length int) *refusal {
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	id, given, ok := strings.Cut(credentials, ":")
	if scheme != "SharedKey" || !ok {
		return forbidden("An invalid scheme was specified in the Authorization header")
	}
	if id != cmp.Or(w.ID, DefaultID) {
		if !workspaceForm.MatchString(id) {
			return badRequest("InvalidCustomerId", "The workspace id is not valid")
		}
		return forbidden("The workspace does not exist, or is not the one of this host")
	}
	date := r.Header.Get("x-ms-date")
	at, err := time.Parse(time.RFC1123, date)
	if err != nil || !strings.HasSuffix(date, " GMT") {
		return forbidden("The header x-ms-date is missing or has another form than RFC 1123 in GMT")
	}
	if off := w.now().Sub(at); off.Abs() > signatureLife {
		return forbidden("The request has expired, or its date is in the future")
	}
	toSign := strings.Join([]string{r.Method, strconv.Itoa(length), r.Header.Get("Content-Type"), "x-ms-date:" + date, r.URL.Path}, "\n")
	for _, key := range []string{cmp.Or(w.Key, DefaultKey), w.SecondaryKey} {
		if key != "" && sign(key, toSign) == given {
			return nil
		}
	}
	return forbidden("An invalid signature was specified in the Authorization header")
}

func sign(key, toSign string) string {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		panic("sandbox workspace: the key is not base64")
	}
	h := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(h, toSign)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// readBatch splits the body and applies what makes the service refuse a record.
func (w *Workspace) readBatch(table string, body []byte) ([]item, *refusal) {
	batch, err := split(body, w.Identify == nil)
	if err != nil {
		return nil, badRequest("InvalidDataFormat", "The body is not valid: "+err.Error())
	}
	kept := batch[:0]
	for i, it := range batch {
		if it.reserved != "" {
			if w.DiscardReserved {
				continue
			}
			return nil, badRequest("InvalidDataFormat", fmt.Sprintf("Record %d uses the reserved name %s", i, it.reserved))
		}
		if w.Poison != nil && w.Poison(it.raw) {
			return nil, badRequest("InvalidDataFormat", fmt.Sprintf("Record %d can't be taken", i))
		}
		if w.Identify != nil {
			it.id = w.Identify(table, it.raw)
		}
		kept = append(kept, it)
	}
	return kept, nil
}

func (w *Workspace) count(rows, duplicates, wire, raw int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Batches++
	w.stats.Rows += rows
	w.stats.Duplicates += duplicates
	w.stats.LargestBody = max(w.stats.LargestBody, wire)
	w.stats.Wire += int64(wire)
	w.stats.Raw += int64(raw)
	w.stats.LargestRows = max(w.stats.LargestRows, rows)
}

// answer writes an answer in the service's form: `{"Error":…,"Message":…}`, or
// no body at all.
func (w *Workspace) answer(rw http.ResponseWriter, a refusal) {
	body := ""
	if a.code != "" {
		body = fmt.Sprintf(`{"Error":%q,"Message":%q}`, a.code, a.message)
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.write(rw, a.status, body)
}

// write counts an answer and writes it.
func (w *Workspace) write(rw http.ResponseWriter, status int, body string) {
	w.mu.Lock()
	if w.stats.Answers == nil {
		w.stats.Answers = make(map[int]int)
	}
	w.stats.Requests++
	w.stats.Answers[status]++
	w.mu.Unlock()
	rw.Header().Set("Date", w.now().UTC().Format(http.TimeFormat))
	if status != http.StatusNoContent {
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, body)
}

var errNotObject = errors.New("a record is not an object")
