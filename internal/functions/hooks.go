package functions

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/semaphore"

	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// HooksPath is where the host passes on what is pushed: the route prefix and the route of
// hooks/function.json.
const HooksPath = "/api/hooks/"

const (
	// bodyTimeout limits the reading of a pushed body.
	bodyTimeout = 20 * time.Second
	// bodiesAtOnce bounds the bodies, in bytes, that are read or waiting to be stored.
	bodiesAtOnce = 16 << 20
	// slotTimeout limits the reading of a body that is stored as it comes, and slotBytes is what of
	// it is in memory: a part, and the object that is made of it.
	slotTimeout = 3 * time.Minute
	slotBytes   = 2 << 20
	// slotsAtOnce is [bodiesAtOnce] for these. It is a share of their own, because one that waits for
	// a store that is down keeps its memory for minutes, and an access request can't wait for it.
	slotsAtOnce = 4 * slotBytes
	// bodyWait is how long a request waits for its share of them.
	bodyWait = 2 * time.Second
	// answerIn is how long everything else may take together until a push is answered, without the
	// reading of its body: credentials, memory and store. Amazon EventBridge waits 5 s, and so may an
	// access request.
	answerIn = 4500 * time.Millisecond
	// busyRetry is what a sender is asked to wait if there was none.
	busyRetry = 10 * time.Second
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
	refuse := func(status int, reason string) {
		log.Warn("push refused", "status", status, "reason", reason)
		w.Header().Set("Connection", "close") // its body is not read
		reply(w, source.Answer{Status: status, Body: []byte(`{"error":` + strconv.Quote(reason) + `}`)})
	}
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
		refuse(http.StatusRequestEntityTooLarge, "the body is too large")
		return
	}
	slot, stored := inlet.(source.Slot)
	share, most := h.share(stored)
	room, ok := takeRoom(r.Context(), share, min(needs(r, inlet.MaxBody(), stored), most))
	if !ok {
		later(w, log, "too many bodies at once", "busy: try again later")
		return
	}
	defer room.shrink(0)
	if stored {
		answer, err := deposit(w, r, slot)
		if err != nil {
			refuse(unread(err))
			return
		}
		reply(w, answer)
		return
	}
	left := answerIn - time.Since(begun)
	body, status, reason := readPush(w, r, inlet.MaxBody())
	if status != 0 {
		refuse(status, reason)
		return
	}
	room.shrink(int64(len(body)))
	reply(w, receiveWithin(r.Context(), left, inlet, body))
}

// receiveWithin has a body received in what is left of the time.
func receiveWithin(ctx context.Context, left time.Duration, inlet source.Inlet, body []byte) source.Answer {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return inlet.Receive(ctx, body)
}

// later asks a sender to come again. The body is not read.
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

// needs is how much memory a body may take while it is read. One that is packed, or comes without
// its length, may be as large as any.
func needs(r *http.Request, most int64, stored bool) int64 {
	packed := r.Header.Get("Content-Encoding") != ""
	if stored { // as it comes, so only this much of it is in memory
		packed, most = false, slotBytes
	}
	if packed || r.ContentLength < 0 {
		return most
	}
	return min(r.ContentLength, most)
}

// room is a share of the memory for bodies.
type room struct {
	of   *semaphore.Weighted
	size int64
}

// shrink gives back what is not needed any more.
func (r *room) shrink(size int64) {
	if size < r.size {
		r.of.Release(r.size - size)
		r.size = size
	}
}

// share is the memory for bodies, and its size in bytes: of those that are stored as they come, or of
// the others.
func (h *Handler) share(stored bool) (of *semaphore.Weighted, size int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pushes == nil {
		h.pushes, h.slots = semaphore.NewWeighted(bodiesAtOnce), semaphore.NewWeighted(slotsAtOnce)
	}
	if stored {
		return h.slots, slotsAtOnce
	}
	return h.pushes, bodiesAtOnce
}

// takeRoom waits until there is room for another body in memory.
func takeRoom(ctx context.Context, of *semaphore.Weighted, size int64) (*room, bool) {
	ctx, cancel := context.WithTimeout(ctx, bodyWait)
	defer cancel()
	size = max(size, 1)
	if of.Acquire(ctx, size) != nil {
		return nil, false
	}
	return &room{of, size}, true
}

// deposit passes a body on as it comes.
func deposit(w http.ResponseWriter, r *http.Request, slot source.Slot) (source.Answer, error) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(slotTimeout)) // writers in tests have none
	body := http.MaxBytesReader(w, r.Body, slot.MaxBody())
	return slot.Deposit(r.Context(), r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding"), body)
}

// unread is the answer to a body that could not be read.
func unread(err error) (status int, reason string) {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge, "the body is too large"
	}
	return http.StatusBadRequest, "the body could not be read to its end"
}

// readPush reads a body of at most that many bytes, before and after it is decompressed.
func readPush(w http.ResponseWriter, r *http.Request, most int64) (body []byte, status int, reason string) {
	// Writers in tests have no deadline.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	var from io.Reader = http.MaxBytesReader(w, r.Body, most)
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, http.StatusBadRequest, "the body is not gzip, although Content-Encoding says so"
		}
		from = unpacked
	default:
		return nil, http.StatusUnsupportedMediaType, "the Content-Encoding is neither gzip nor identity"
	}
	body, err := io.ReadAll(io.LimitReader(from, most+1))
	switch {
	case err != nil:
		status, reason = unread(err)
		return nil, status, reason
	case int64(len(body)) > most:
		return nil, http.StatusRequestEntityTooLarge, "the body is too large"
	case len(body) == 0:
		return nil, http.StatusBadRequest, "the body is empty, or it had no Content-Length, without which some versions of the Functions host drop it"
	}
	return body, 0, ""
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
