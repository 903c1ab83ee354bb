package functions

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// HooksPath is where the host passes on what is pushed: the route prefix and the route of
// hooks/function.json.
const HooksPath = "/api/hooks/"

const (
	// answerIn is how long everything else may take together until a push is answered, without the
	// reading of its body: credentials, memory and store. Amazon EventBridge waits 5 s, and so may an
	// access request.
	answerIn = 4500 * time.Millisecond
	// busyRetry is what a sender is asked to wait if there was none.
	busyRetry = 10 * time.Second

	tooLarge = "the body is too large"
)

// receiver is a [Poller] that also receives pushes.
type receiver interface {
	// Inlet returns what receives at a path below [HooksPath], nil if nothing does.
	Inlet(path string) source.Inlet
}

// hook answers a push. The order is what the promises rest on: the address, then the credentials,
// and only then the body.
//
// The host passes requests from the internet on as they are, so nothing about them is
// trusted. The log names the path, the status and the reason, never a value.
func (h *Handler) hook(w http.ResponseWriter, r *http.Request) {
	log := h.logger().With("path", shownPath(r.URL.Path), "invocation_id", r.Header.Get(invocationID))
	refuse := func(status int, reason string) { refuse(w, log, status, reason) }
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "pushes must use POST")
		return
	}
	poller, err := h.open()
	if err != nil {
		log.Error("push refused", "status", http.StatusServiceUnavailable, "error", err.Error())
		w.Header().Set("Connection", "close")
		reply(w, source.Answer{Status: http.StatusServiceUnavailable, Body: []byte(`{"error":"not ready: see the log of the app"}`), RetryAfter: time.Minute})
		return
	}
	inlet := inletOf(poller, r.URL.Path)
	if inlet == nil {
		refuse(http.StatusNotFound, "nothing is received at this address")
		return
	}
	begun := time.Now()
	admitted, err := inlet.Admits(r.Context(), r.Header.Values("Authorization"))
	switch {
	case err != nil: // the app logs why
		later(w, log, "the credentials can't be checked", "not ready: try again later")
		return
	case !admitted:
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(http.StatusUnauthorized, "the credentials are missing or wrong")
		return
	case r.ContentLength > inlet.MaxBody():
		refuse(http.StatusRequestEntityTooLarge, tooLarge)
		return
	}
	room := &room{of: h.memory()}
	defer room.free()
	if slot, ok := inlet.(source.Slot); ok {
		answer, err := deposit(w, r, room, slot)
		if err != nil {
			unread(w, log, err)
			return
		}
		reply(w, answer)
		return
	}
	took := time.Since(begun)
	body, err := readPush(w, r, room, inlet.MaxBody())
	if err != nil {
		unread(w, log, err)
		return
	}
	room.shrink(int64(len(body)))
	reply(w, receiveWithin(r.Context(), answerIn-took-room.waited, inlet, body))
}

// receiveWithin has a body received in what is left of the time.
func receiveWithin(ctx context.Context, left time.Duration, inlet source.Inlet, body []byte) source.Answer {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return inlet.Receive(ctx, body)
}

// refuse answers a push that will not be accepted. Its body is not read on.
func refuse(w http.ResponseWriter, log *slog.Logger, status int, reason string) {
	log.Warn("push refused", "status", status, "reason", reason)
	w.Header().Set("Connection", "close")
	reply(w, source.Answer{Status: status, Body: []byte(`{"error":` + strconv.Quote(reason) + `}`)})
}

// later asks a sender to come again. Its body is not read on.
func later(w http.ResponseWriter, log *slog.Logger, reason, shown string) {
	log.Warn("push refused", "status", http.StatusServiceUnavailable, "reason", reason)
	w.Header().Set("Connection", "close")
	reply(w, source.Answer{Status: http.StatusServiceUnavailable, Body: []byte(`{"error":` + strconv.Quote(shown) + `}`), RetryAfter: busyRetry})
}

// inletOf returns what receives at a path, nil if nothing does.
func inletOf(poller Poller, path string) source.Inlet {
	receiver, ok := poller.(receiver)
	if rest, below := hookPath(path); ok && below {
		return receiver.Inlet(rest)
	}
	return nil
}

// hookPath returns what follows [HooksPath] in a path. Case does not matter, as in the routes of the
// host, which passes on the path as a person entered it at the sender.
func hookPath(path string) (rest string, ok bool) {
	if len(path) < len(HooksPath) || !strings.EqualFold(path[:len(HooksPath)], HooksPath) {
		return "", false
	}
	return path[len(HooksPath):], true
}

// deposit passes a body on as it comes. One that fits into a start has come before it takes a slot.
func deposit(w http.ResponseWriter, r *http.Request, room *room, slot source.Slot) (source.Answer, error) {
	from := newSender(w, r, slot.MaxBody(), slotTimeout)
	start, more, err := room.read(r.Context(), from, startBytes)
	if err != nil {
		return source.Answer{}, err
	}
	var body io.Reader = bytes.NewReader(start)
	if more {
		body = io.MultiReader(body, from)
		err = room.take(r.Context(), room.of.slots, &room.slot, slotBytes)
	} else {
		err = room.take(r.Context(), room.of.small, &room.small, int64(len(start)))
	}
	if err != nil {
		return source.Answer{}, err
	}
	room.shrink(0) // the start counts in the slot
	return slot.Deposit(r.Context(), r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding"), body)
}

// refusal is a body that can't be accepted.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

// unread answers a body that was not read to its end. What may be good at the next attempt is not refused
// for good.
func unread(w http.ResponseWriter, log *slog.Logger, err error) {
	var refused *refusal
	switch large := (*http.MaxBytesError)(nil); {
	case errors.Is(err, errNoMemory):
		later(w, log, err.Error(), "busy: try again later")
	case errors.Is(err, errSlow):
		later(w, log, err.Error(), "the body came too slowly: try again later")
	case errors.As(err, &refused):
		refuse(w, log, refused.status, refused.reason)
	case errors.As(err, &large):
		refuse(w, log, http.StatusRequestEntityTooLarge, tooLarge)
	default:
		refuse(w, log, http.StatusBadRequest, "the body could not be read to its end")
	}
}

// readPush reads a body of at most that many bytes, before and after it is decompressed.
func readPush(w http.ResponseWriter, r *http.Request, room *room, most int64) ([]byte, error) {
	sent := newSender(w, r, most, bodyTimeout)
	var from io.Reader = sent
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		if err := room.take(r.Context(), room.of.packed, &room.unpack, unpackBytes); err != nil {
			return nil, err
		}
		unpacked, err := gzip.NewReader(from)
		if errors.Is(err, errSlow) {
			return nil, err
		} else if err != nil {
			return nil, &refusal{http.StatusBadRequest, "the body is not gzip, although Content-Encoding says so"}
		}
		from = unpacked
	default:
		return nil, &refusal{http.StatusUnsupportedMediaType, "the Content-Encoding is neither gzip nor identity"}
	}
	expected := most + 1 // one more, to see that it is too large
	if length := r.ContentLength; length >= 0 && from == io.Reader(sent) {
		expected = min(expected, length+1)
	}
	body, more, err := room.read(r.Context(), from, expected)
	switch {
	case err != nil:
		return nil, err
	case more || int64(len(body)) > most:
		return nil, &refusal{http.StatusRequestEntityTooLarge, tooLarge}
	case len(body) == 0:
		return nil, &refusal{http.StatusBadRequest, "the body is empty, or it had no Content-Length, without which some versions of the Functions host drop it"}
	}
	return body, nil
}

// reply writes the answer to a push.
func reply(w http.ResponseWriter, a source.Answer) {
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(a.RetryAfter/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	status, body := a.Status, a.Body
	if status == 0 {
		status = http.StatusOK
	}
	if len(body) == 0 {
		body = []byte("{}")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // if the sender is gone, the answer is dropped
}

// shownPath is a path for the log: one from outside may be of any length.
func shownPath(path string) string { return path[:min(len(path), 200)] }
