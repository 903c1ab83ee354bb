package status

import (
	"context"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/poison"
	"github.com/idn-sentinel/idn-sentinel/internal/state/queuenote"
)

// poisonShown is how long a message that was given up is shown.
const poisonShown = 24 * time.Hour

// queueShown is how old a note about the queue may be: the app looks every hour.
const queueShown = 3 * time.Hour

// queueLabel stands for the queue where the label of a stream would be.
const queueLabel = "queue"

// queueState adds what the app found wrong with its queue.
func queueState(ctx context.Context, store state.Store, now time.Time, found *problems) {
	ctx, cancel := context.WithTimeout(ctx, Timeout/2)
	defer cancel()
	n, err := queuenote.Read(ctx, store)
	if err != nil || n.Problem == "" || now.Sub(n.At) > queueShown {
		return // that the state can't be read is a problem of every stream already
	}
	found.add(queueLabel, Connection{}, Stream{}, []Problem{{
		State: Attention, What: fmt.Sprintf("The queue of FAN_OUT can't be relied on, as the app found %s ago: %s.", Age(now.Sub(n.At)), n.Problem),
		Remedy: "Do what the message says; docs/scale.md has a table of causes. Until then the process with the timer polls what no other instance has polled, so nothing is lost, but it may be late.",
	}})
}

// gaveUp adds the messages that the queue gave up lately, a problem for each connection and reason.
func gaveUp(ctx context.Context, store state.Store, now time.Time, found *problems) {
	ctx, cancel := context.WithTimeout(ctx, Timeout/2)
	defer cancel()
	f, err := poison.Load(ctx, store)
	if err != nil { // that the state can't be read is a problem of every stream already
		return
	}
	type same struct{ connection, reason string }
	var order []same
	count := map[same]int{}
	last := map[same]time.Time{}
	for _, n := range f.Recent {
		if now.Sub(n.At) > poisonShown {
			continue
		}
		of := same{n.Connection, n.Reason}
		if count[of]++; count[of] == 1 { // the newest is the first
			order, last[of] = append(order, of), n.At
		}
	}
	for _, of := range order {
		label := of.connection
		if label == "" {
			label = queueLabel
		}
		what := fmt.Sprintf("The queue gave up %s, the last one %s ago: %s.", messages(count[of]), Age(now.Sub(last[of])), of.reason)
		found.add(label, Connection{Name: of.connection}, Stream{}, []Problem{{State: Attention, What: what, Remedy: fmt.Sprintf("Nothing is lost: each tick brings a new message. Look at the queue %s, remove the cause, and delete what is there. This is shown for a day.", fanout.Poison)}})
	}
}

func messages(n int) string {
	if n == 1 {
		return "a message"
	}
	return itoa(int64(n)) + " messages"
}
