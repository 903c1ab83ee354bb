package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

const (
	// answerWithin is how long a push may take to become durable before its sender is asked to try
	// again: Amazon EventBridge waits 5 s for an answer.
	answerWithin = 4 * time.Second
	// waitingWithin is the same for an access request. The tenant waits 10 s, and the host
	// may have needed some of them to start.
	waitingWithin = 2 * time.Second
	// tryAgainAfter is what a sender is asked to wait.
	tryAgainAfter = 10 * time.Second
)

// HookAddress is the path at which a connection receives pushes; the host adds the app's name.
func HookAddress(connection, hook string) string {
	if connection != "" {
		hook = connection + "/" + hook
	}
	return "/api/hooks/" + hook
}

// Inlet returns what receives at a path below /api/hooks/, or nil if nothing does. The path begins
// with the connection's name, if it has one, and then the hook's.
func (a *App) Inlet(path string) source.Inlet {
	for _, c := range a.connections {
		rest := path
		if c.settings.Name != "" {
			name, after, _ := strings.Cut(path, "/")
			if !strings.EqualFold(name, c.settings.Name) {
				continue
			}
			rest = after
		}
		name, rest, _ := strings.Cut(rest, "/")
		for _, m := range c.mailboxes {
			switch {
			case !strings.EqualFold(m.door.Path(), name): // as the host's routes
			case m.deposit != nil:
				return &slot{inlet{mailbox: m, rest: rest}}
			default:
				return &inlet{mailbox: m, rest: rest}
			}
		}
	}
	return nil
}

// inlet is one address of a mailbox.
type inlet struct {
	*mailbox
	rest string // of the path
}

// MaxBody implements [source.Inlet].
func (i *inlet) MaxBody() int64 { return i.door.MaxBody() }

// Admits implements [source.Inlet].
func (i *inlet) Admits(ctx context.Context, authorization []string) (bool, error) {
	ok, err := i.door.Admits(ctx, authorization)
	switch {
	case err != nil && ctx.Err() == nil:
		i.judged(err)
	case ok && i.isShut(): // of several secrets, another one may still be missing
		go i.unready(context.WithoutCancel(ctx)) //nolint:errcheck // it logs
	}
	return ok, err
}

// Receive implements [source.Inlet].
func (i *inlet) Receive(ctx context.Context, body []byte) source.Answer {
	push, err := i.hook.Receive(i.rest, body, time.Now())
	if err != nil {
		status := http.StatusBadRequest
		if unacceptable := new(source.Unacceptable); errors.As(err, &unacceptable) {
			status = unacceptable.Status
		}
		i.log.Warn("push refused", "status", status, "reason", err.Error(), "bytes", len(body))
		return refusal(status, err)
	}
	var kept *keeping
	if push.After != nil { // after the answer: before that, the service may not expect it
		kept = i.answers.keep(ctx, push.Owed)
		defer i.answers.afterwards(ctx, push.After, kept)
	}
	if push.Problem != "" {
		i.log.Error("push needs attention", "problem", push.Problem)
		i.warn(ctx, push.Problem)
	}
	within := answerWithin
	if push.Waiting {
		within = waitingWithin
	}
	if end, ok := ctx.Deadline(); ok { // what came before the body took its time
		within = min(within, time.Until(end))
	}
	until := time.Now().Add(within)
	err = i.put(ctx, push.Records, within)
	kept.await(until)
	i.noteOutage(err)
	switch {
	case err == nil:
		i.runs.nudge()
	case push.Waiting:
		i.log.Error("push is not recorded yet, but was answered because an access request waits for it", "error", err.Error())
	default:
		a := refusal(http.StatusServiceUnavailable, errors.New("not stored: try again later"))
		a.RetryAfter = tryAgainAfter
		return a
	}
	return push.Answer
}

// slot is an address at which bodies are stored as they come.
type slot struct{ inlet }

// Receive implements [source.Inlet] for a body that is in memory.
func (s *slot) Receive(ctx context.Context, body []byte) source.Answer {
	answer, err := s.Deposit(ctx, "", "", bytes.NewReader(body))
	if err != nil {
		return refusal(http.StatusBadRequest, errors.New("the body could not be read"))
	}
	return answer
}

// Deposit implements [source.Slot].
func (s *slot) Deposit(ctx context.Context, contentType, contentEncoding string, body io.Reader) (source.Answer, error) {
	from := &faults{Reader: body}
	got, err := s.deposit.Deposit(ctx, source.Upload{
		Rest: s.rest, ContentType: contentType, ContentEncoding: contentEncoding, At: time.Now(), Body: from,
	})
	var unacceptable *source.Unacceptable
	switch {
	case errors.As(err, &unacceptable):
		s.log.Warn("report refused", "status", unacceptable.Status, "reason", unacceptable.Why)
		return refusal(unacceptable.Status, unacceptable), nil
	case err != nil && from.err != nil:
		return source.Answer{}, from.err
	case err != nil:
		s.noteOutage(err)
		a := refusal(http.StatusServiceUnavailable, errors.New("not stored: try again later"))
		a.RetryAfter = tryAgainAfter
		return a, nil
	}
	s.noteOutage(nil)
	if got.Again {
		s.log.Info("report was sent again and is stored once", "bytes", got.Bytes)
	} else {
		s.log.Info("report received", "report_id", got.ID, "bytes", got.Bytes)
	}
	s.runs.nudge()
	for _, f := range s.c.forwardings {
		f.runs.nudge()
	}
	return source.Answer{}, nil
}

// faults remembers why a body could not be read.
type faults struct {
	io.Reader
	err error
}

func (f *faults) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// refusal is an answer that says why.
func refusal(status int, why error) source.Answer {
	body, err := json.Marshal(struct {
		Error string `json:"error"`
	}{why.Error()})
	if err != nil {
		body = []byte("{}")
	}
	return source.Answer{Status: status, Body: body}
}
