package sim

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	boxes "github.com/idn-sentinel/idn-sentinel/internal/state/inbox"
)

// pushToken is what pushes would present; the simulation begins after that.
const pushToken = "canary-webhook-token-4c1d"

// push is an event that is pushed.
type push struct {
	id      string
	body    []byte
	at      time.Time
	waits   bool // an access request waits for the answer
	repeats bool // as Amazon EventBridge does until it gets 200; SailPoint itself does not
}

// pushAll sends all pushes of the play, each at its time.
func (g *game) pushAll() {
	w := g.w
	if !w.o.Pushes {
		return
	}
	var all []push
	for i, inv := range w.plan.invocations {
		n := int64(i)
		at := inv.Created.Add(w.dice.span("push/at", n, 50*time.Millisecond, 3*time.Second))
		if at.Before(w.plan.start) || w.dice.chance("push/none", n, 0.2) {
			continue // no subscription, or it was lost: polling brings it
		}
		if w.dice.chance("push/late", n, 0.1) {
			at = at.Add(w.dice.span("push/later", n, time.Minute, 20*time.Minute))
		}
		all = append(all, push{inv.ID, payload(inv.Input, inv.TriggerID, inv.ID), at, strings.HasPrefix(inv.TriggerID, "idn:access-request-") && inv.TriggerID != "idn:access-request-post-approval", w.dice.chance("push/repeats", n, 0.5)})
	}
	bursts := w.dice.pick("push/bursts", 0, 4)
	for b := range bursts {
		if w.o.off(PushBurst) {
			break
		}
		w.happened(PushBurst)
		at := w.plan.start.Add(w.dice.span("push/burst", int64(b), 0, w.plan.active))
		for i := range 5 + w.dice.pick("push/size", int64(b), 40) {
			n := int64(b*100 + i)
			id := fmt.Sprintf("5e11f00d-0000-4000-8000-%012d", n)
			all = append(all, push{id, payload(nil, "idn:identity-attributes-changed", id), at.Add(w.dice.span("push/apart", n, 0, 300*time.Millisecond)), false, true})
			w.mu.Lock()
			w.seen.add(&row{key: id + "|", created: at, visible: at})
			w.mu.Unlock()
		}
	}
	for i, p := range all {
		g.pushes.Go(func() { g.push(p, int64(i)) })
		if !w.o.off(PushTwice) && w.dice.chance("push/twice", int64(i), 0.3) {
			w.happened(PushTwice)
			again := p
			again.at = p.at.Add(w.dice.span("push/again", int64(i), 0, 10*time.Minute))
			g.pushes.Go(func() { g.push(again, int64(i)+1_000_000) })
		}
	}
}

// payload is a body with its _metadata.
func payload(input jsontext.Value, trigger, id string) []byte {
	meta := fmt.Sprintf(`"_metadata":{"triggerType":"fireAndForget","triggerId":%q,"invocationId":%q,"secret":%q}}`, trigger, id, canary)
	text := strings.TrimSpace(string(input))
	if len(text) <= len("{}") || strings.Contains(text, `"_metadata"`) {
		return []byte(`{"name":"n",` + meta)
	}
	return []byte(text[:len(text)-1] + "," + meta)
}

// push sends one push, and checks that a good answer was true.
func (g *game) push(p push, n int64) {
	w := g.w
	g.pause(time.Until(p.at))
	for i := int64(0); !w.failed() && !g.isOver(); i++ {
		inst := g.receiver(n*100 + i)
		begin := time.Now()
		answer := inst.app.Inlet("sailpoint").Receive(context.Background(), p.body)
		took := time.Since(begin)
		w.mu.Lock()
		if inst.died() {
			answer.Status = 0 // no one gets it
		}
		if took > 5*time.Second {
			w.breaks("%s answers a push after %v", inst, took)
		}
		known := w.seen.rows[p.id+"|"]
		if answer.Status == http.StatusOK {
			// An access request waits for the answer, whether or not it can be recorded.
			if known.inbox == 0 && !p.waits {
				w.breaks("%s answers the push %s with 200, and it is not in the inbox", inst, p.id)
			}
			known.wanted = known.wanted || known.inbox > 0
		}
		w.mu.Unlock()
		w.tracef("%s answers the push %s with %d after %v", inst, p.id, answer.Status, took)
		if answer.Status == http.StatusOK || !p.repeats || i > 500 {
			return
		}
		g.pause(w.dice.span("push/wait", n*100+i, 10*time.Second, time.Minute))
	}
}

// pause lets virtual time pass, but not beyond the end of the play.
func (g *game) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.over:
	}
}

func (g *game) isOver() bool {
	select {
	case <-g.over:
		return true
	default:
		return false
	}
}

// receiver is the process that gets the next push: mostly one that receives only, sometimes the one
// that polls, as on a plan without scale-out.
func (g *game) receiver(n int64) *instance {
	w := g.w
	w.mu.Lock()
	main, hook := g.main, g.hook
	w.mu.Unlock()
	if w.dice.chance("push/main", n, 0.15) && main != nil && !main.died() {
		return main
	}
	if hook == nil || hook.died() {
		hook = w.start()
		w.mu.Lock()
		g.hook = hook
		w.mu.Unlock()
	}
	if w.phase() != nil && !w.o.off(KillHook) && w.dice.chance("push/kill", n, 0.15) {
		w.happened(KillHook)
		hook.mu.Lock()
		hook.killAt = hook.steps + 1 + int64(w.dice.pick("push/step", n, 25))
		hook.killHow = []Kind{KillBefore, KillAfter}[w.dice.pick("push/how", n, 2)]
		hook.mu.Unlock()
	}
	return hook
}

// inboxed notes what an object of the inbox holds. The caller holds the lock.
func (w *world) inboxed(inst *instance, key string, data []byte) {
	batch, err := boxes.Decode(pushedStream, data)
	if err != nil || len(batch) == 0 {
		w.breaks("%s stores an object in the inbox that can't be read: %v", inst, err)
	}
	for _, rec := range batch {
		known := w.seen.find(rec.ID)
		if known == nil {
			w.breaks("%s stores %q in the inbox, which no one pushed", inst, rec.ID)
			continue
		}
		known.inbox++
		w.seen.inbox[key] = append(w.seen.inbox[key], known)
	}
	w.seen.put[key] = w.now()
}

// leftInbox demands that what leaves the inbox is remembered as delivered. The caller holds the
// lock.
func (w *world) leftInbox(key string) {
	for _, known := range w.seen.inbox[key] {
		if known.committed == 0 || !known.settled {
			w.breaks("%q is removed from the inbox and was not delivered", known.key)
		}
	}
	delete(w.seen.inbox, key)
}

// checkPushed demands that a drained run that has walked the inbox from its beginning has left nothing of
// what was in it when it began. The caller holds the lock.
func (w *world) checkPushed(r *run, rep pipeline.Report) {
	if r == nil || rep.Stream != pushedStream || rep.State != pipeline.Drained || r.leaseLost || len(r.pages) == 0 || strings.Contains(string(r.pages[0].after), `"after"`) {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(w.seen.inbox)) {
		for _, known := range w.seen.inbox[key] {
			if !known.settled && w.seen.put[key].Before(r.began) {
				w.breaks("%s is drained, and %q, in the inbox since %s, is nowhere else", r, known.key, w.seen.put[key].Format(stamp))
				return
			}
		}
	}
}

// checkInboxIsEmpty demands that nothing waits in the end. The caller holds the lock.
func (w *world) checkInboxIsEmpty() {
	for key := range w.seen.inbox {
		w.breaks("%s is still in the inbox", key)
	}
}

// crossed says whether a row may come again because it was pushed and polled at the same moment:
// the other stream's run had not committed it when this one looked, or put it into the spool.
func (r *row) crossed(by *run) bool {
	for _, d := range r.deliveries[r.wiped:] {
		if d.run.stream != by.stream && (r.copies > 0 || r.committed == 0 || r.committed > by.after) {
			return true
		}
	}
	return false
}
