package tenant

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// badRequest is the detail code of every request that the service understood
// but can't take.
const badRequest = "400.1 Bad request content"

// errorBody is the error form of the API.
type errorBody struct {
	DetailCode string         `json:"detailCode"`
	TrackingID string         `json:"trackingId"`
	Messages   []errorMessage `json:"messages"`
	Causes     []errorMessage `json:"causes"`
}

type errorMessage struct {
	Locale       string `json:"locale"`
	LocaleOrigin string `json:"localeOrigin"`
	Text         string `json:"text"`
}

// refuse writes an error in the form of the API.
func (t *Tenant) refuse(w http.ResponseWriter, status int, detailCode, text string) {
	writeJSON(w, status, errorBody{
		DetailCode: detailCode,
		TrackingID: fmt.Sprintf("%032x", uint64(t.serial())*0x9e3779b97f4a7c15),
		Messages:   []errorMessage{{"en-US", "DEFAULT", text}},
		Causes:     []errorMessage{},
	})
}

// refuseQuery answers a request that can't be served: 400 where the service would
// not either, 501 where only the stand-in does not.
func (t *Tenant) refuseQuery(w http.ResponseWriter, err error) {
	var u unknown
	if !errors.As(err, &u) {
		t.refuse(w, http.StatusBadRequest, badRequest, "The request was syntactically correct but its content is semantically invalid: "+err.Error())
		return
	}
	t.mu.Lock()
	t.unknown = append(t.unknown, string(u))
	t.mu.Unlock()
	t.refuse(w, http.StatusNotImplemented, "501 Not implemented", err.Error())
}

// writeError writes the short error form of the gateway.
func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{text})
}

func writeLimited(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	writeJSON(w, http.StatusTooManyRequests, struct {
		Message string `json:"message"`
	}{" Rate Limit Exceeded "})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode an answer: %v", err))
	}
	writeBody(w, status, body)
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
