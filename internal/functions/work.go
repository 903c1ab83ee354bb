package functions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/poison"
)

// WorkPath is where the host posts messages of the queue. It is the name of the folder with
// function.json in the package for FAN_OUT=queue.
const WorkPath = "/work"

// itemBinding is the name of the message in work/function.json.
const itemBinding = "item"

// Spread is a [Poller] whose connections can be polled apart from each other.
type Spread interface {
	// Messages are what the timer puts into the queue at a tick.
	Messages(tick time.Time) ([]string, error)
	// Accepts says why a message is for none of this app's connections, nil if it is for one.
	Accepts(m fanout.Message) error
	// Work polls the connection that a message is for. An error means the same.
	Work(ctx context.Context, m fanout.Message) ([]pipeline.Report, error)
	// GaveUp notes that the queue gives up a message.
	GaveUp(ctx context.Context, n poison.Note) error
	// FollowUp polls, some time after a tick, what no instance has polled since.
	FollowUp(ctx context.Context, tick time.Time) []pipeline.Report
}

var errNotSpread = errors.New("this program can't poll connections apart from each other")

// fanOut answers a tick with one message for each connection.
func (h *Handler) fanOut(w http.ResponseWriter, r *http.Request, log *slog.Logger) {
	var messages []string
	tick := time.Now()
	_, err := h.within(r.Context(), func(_ context.Context, poller Poller) (_ []pipeline.Report, err error) {
		spread, ok := poller.(Spread)
		if !ok {
			return nil, errNotSpread
		}
		messages, err = spread.Messages(tick)
		return nil, err
	})
	if err != nil {
		logFailure(log, err)
		write(w, http.StatusInternalServerError, failure(err))
		return
	}
	a := newAnswer([]pipeline.Report{}, []string{fmt.Sprintf("%d connections put into the queue", len(messages))}, nil)
	a.Outputs.Work = messages
	write(w, http.StatusOK, a)
	go h.followUp(context.WithoutCancel(r.Context()), log, tick)
}

// followUp polls after a tick what no instance has polled. No invocation waits for it, so all of it is
// logged.
func (h *Handler) followUp(ctx context.Context, log *slog.Logger, tick time.Time) {
	const wait = time.Minute // for the others
	_, err := h.withinMore(ctx, wait, func(ctx context.Context, poller Poller) ([]pipeline.Report, error) {
		spread, ok := poller.(Spread)
		if !ok {
			return nil, errNotSpread
		}
		runs := spread.FollowUp(ctx, tick)
		for _, run := range runs {
			logRun(log, run)
		}
		if len(runs) > 0 {
			log.Info("polled what no instance had polled since the tick", "runs", len(runs))
		}
		return nil, nil
	})
	if err != nil { // the process is stopping, or there is an internal error
		log.Warn("the tick was not followed up", "error", err.Error())
	}
}

// delivery is one delivery of a message.
type delivery struct {
	message fanout.Message
	// count is how often it has been delivered, this time included; 0 if the host doesn't say.
	count int
	err   error // why the message can't be read
}

// again reports whether this is not the first delivery.
func (d delivery) again() bool { return d.count > 1 }

// last reports whether the host gives the message up if this delivery fails.
func (d delivery) last() bool { return d.count >= fanout.Deliveries }

// decodeItem reads an invocation by the queue trigger.
func decodeItem(body []byte) (d delivery) {
	var envelope struct{ Data, Metadata jsontext.Value }
	var data map[string]jsontext.Value
	if err := decode(body, &envelope); err != nil {
		return delivery{err: errors.New("the invocation is not a JSON object")}
	}
	var metadata struct{ DequeueCount jsontext.Value }
	if decode(envelope.Metadata, &metadata) == nil {
		d.count, _ = strconv.Atoi(text(metadata.DequeueCount))
	}
	if err := decode(envelope.Data, &data); err != nil {
		return delivery{count: d.count, err: errors.New("the invocation has no Data")}
	}
	d.message, d.err = fanout.Decode(unquote(pick(data, itemBinding)))
	return d
}

// work answers one message. The answer decides what becomes of it: after 200 it is deleted, after
// 500 it is delivered again and, after [fanout.Deliveries] times, put aside for good. So only a
// failure that the next tick's message won't repair is one.
func (h *Handler) work(w http.ResponseWriter, r *http.Request) {
	log := h.logger().With("invocation_id", r.Header.Get(invocationID))
	d := decodeItem(readBody(w, r))
	if why := h.superfluous(d); why != "" {
		log.Debug("message dropped", "reason", why)
		write(w, http.StatusOK, newAnswer([]pipeline.Report{}, []string{"message dropped: " + why}, nil))
		return
	}
	noted := d.last() && d.err == nil && h.accepts(d) // before the run, which may be killed, too
	if noted {
		// A run that only failed is answered with 200 before it comes to this.
		h.gaveUp(r.Context(), log, d, "the deliveries before this one came to no end: the process was killed, for instance for its memory or at functionTimeout, "+
			"or the log of the app has an internal error, or another app shares the queue")
	}
	runs, err := h.workOn(r.Context(), d)
	if err != nil && d.last() && !noted {
		h.gaveUp(r.Context(), log, d, err.Error())
	}
	lines, failed := reportOnce(r.Context(), log, runs, err)
	status := http.StatusOK
	if failed && (err != nil || !d.again() && slices.ContainsFunc(runs, lasts)) {
		status = http.StatusInternalServerError
	}
	write(w, status, newAnswer(runs, lines, err))
}

// superfluous says why nothing has to be done for a message, or "".
func (h *Handler) superfluous(d delivery) string {
	switch {
	case d.err != nil:
		return ""
	case !h.FanOut:
		return "FAN_OUT is off, so the timer polls"
	case d.message.Stale(time.Now()):
		return fmt.Sprintf("it is of %s, and newer ones have followed", d.message.Tick.UTC().Format(time.RFC3339))
	}
	return ""
}

// accepts reports whether a message is for a connection of this app.
func (h *Handler) accepts(d delivery) bool {
	poller, err := h.open()
	if err != nil {
		return false
	}
	spread, ok := poller.(Spread)
	return ok && spread.Accepts(d.message) == nil
}

func (h *Handler) workOn(ctx context.Context, d delivery) ([]pipeline.Report, error) {
	return h.within(ctx, func(ctx context.Context, poller Poller) ([]pipeline.Report, error) {
		spread, ok := poller.(Spread)
		switch {
		case !ok:
			return nil, errNotSpread
		case d.err != nil:
			return nil, d.err
		}
		return spread.Work(ctx, d.message)
	})
}

// lasts reports whether a run failed for a reason that the next run will meet again. A service or a
// state that did not answer in time, and a save that another process was faster with, pass.
func lasts(r pipeline.Report) bool {
	var passing *pipeline.Retryable
	switch {
	case !hasFailed(r), errors.As(r.Err, &passing):
		return false
	}
	for _, one := range []error{context.DeadlineExceeded, context.Canceled, state.ErrLockLost, state.ErrConflict} {
		if errors.Is(r.Err, one) {
			return false
		}
	}
	return true
}

// gaveUp notes that this was the last delivery of a message.
func (h *Handler) gaveUp(ctx context.Context, log *slog.Logger, d delivery, reason string) {
	poller, err := h.open()
	if err != nil { // then every run says so
		return
	}
	log.Error("message given up", "queue", fanout.Poison, "connection", d.message.Connection, "deliveries", d.count, "reason", reason)
	if spread, ok := poller.(Spread); ok {
		err = spread.GaveUp(ctx, poison.Note{At: time.Now(), Connection: d.message.Connection, Deliveries: d.count, Reason: reason})
	}
	if err != nil {
		log.Warn("message that was given up was not noted", "error", err.Error())
	}
}

// CanFanOut says why the package that is deployed in a folder can't do FAN_OUT=queue. The host drops
// messages for which function/function.json has no binding, without a word.
func CanFanOut(root string) error {
	has := func(function, kind, name string) error {
		path := filepath.Join(root, function, "function.json")
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("the package lacks %s/function.json", function)
		}
		var file struct {
			Bindings []struct{ Type, Name string } `json:"bindings"`
		}
		if err := json.Unmarshal(text, &file, json.MatchCaseInsensitiveNames(true)); err != nil {
			return fmt.Errorf("%s/function.json of the package is not valid JSON", function)
		}
		for _, b := range file.Bindings {
			if strings.EqualFold(b.Type, kind) && b.Name == name {
				return nil
			}
		}
		return fmt.Errorf("%s/function.json of the package has no binding %s of type %s", function, name, kind)
	}
	return errors.Join(has(strings.TrimPrefix(FunctionPath, "/"), "queue", "work"), has(strings.TrimPrefix(WorkPath, "/"), "queueTrigger", itemBinding))
}
