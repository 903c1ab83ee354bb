package datacollector

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// doubt is a 200 with a body. Microsoft's page documents the status without a
// body, and in practice the service sends none, but a proxy may send "access
// denied" with the same status. So such an answer counts neither as an
// acknowledgement nor as a refusal until [Sink.settle] decides.
type doubt struct{ *answer }

func (d *doubt) Error() string {
	return d.quoted() + " is not an acknowledgement that the service is known to send"
}

const remedy = "exempt *.ods.opinsights.azure.com from the proxy or gateway in between, and check logAnalyticsUri"

const (
	// verdictLife is how long the sink remembers that an answer is not the service's,
	// and that the service acknowledges without a body.
	verdictLife = 10 * time.Minute
	// beliefLife is how long the sink remembers that an answer is the service's. It is
	// longer because finding out may duplicate a record.
	beliefLife = 24 * time.Hour
)

// doubts is what the sink has found out about answers.
type doubts struct {
	settling chan struct{} // a lock: one goroutine asks at a time
	mu       sync.Mutex
	silent   time.Time // when the service last acknowledged without a body, as usual
	verdicts map[string]verdict
}

func newDoubts() *doubts {
	return &doubts{settling: make(chan struct{}, 1), verdicts: map[string]verdict{}}
}

type verdict struct {
	at    time.Time
	error error // nil: the answer is the service's
}

// settle finds out whether a doubtful answer to a batch is the service's. It does not
// ask about the same answer again for a while, so that a permanent proxy does not
// double the load.
func (s *Sink) settle(ctx context.Context, stream, timeField string, batch []pipeline.Record, a *answer) error {
	select {
	case s.doubts.settling <- struct{}{}:
		defer func() { <-s.doubts.settling }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.doubts.isSilent() {
		return &pipeline.Retryable{Err: errSilent(a)}
	}
	v, known := s.doubts.look(a.kind())
	if !known {
		found, err := s.ask(ctx, stream, timeField, batch, a)
		if err != nil {
			return err
		}
		v = verdict{at: time.Now(), error: found}
		s.doubts.note(a.kind(), v)
	}
	if v.error != nil {
		return &pipeline.Retryable{Err: v.error}
	}
	s.notices.add(stream, fmt.Sprintf("the workspace acknowledged with %s, which it is not known to do; batches with that answer count as delivered, "+
		"because it refused a damaged copy of one in its own words", a.quoted()))
	return nil
}

// ask sends two kinds of posts. The first is the same bytes with an extra bracket in
// front, which is invalid JSON: the service refuses it in its own words and ingests
// nothing, while a proxy that blocks with 200 answers 200 again. But this only shows
// that the service is reachable now. The doubtful answer may come from a gateway that
// has since let everything pass, so the second is a record of the batch: a service
// that acknowledges with a body does so again. The record is duplicated if the service
// already had it. Both are repeated, so that a load balancer with one bad member can't
// pass by rotation.
func (s *Sink) ask(ctx context.Context, stream, timeField string, batch []pipeline.Record, a *answer) (found, err error) {
	one := newArray(batch[:1])
	for _, copied := range []*array{newArray(batch), one, one, one} {
		check, err := s.post(ctx, stream, timeField, content{copied.size + 1, func() io.Reader {
			return io.MultiReader(strings.NewReader("["), copied.reader())
		}})
		if err != nil {
			return nil, err
		}
		if found := compare(a, check); found != nil {
			return found, nil
		}
	}
	for range 2 {
		again, err := s.post(ctx, stream, timeField, content{one.size, one.reader})
		if err != nil {
			return nil, err
		}
		if again.judge(1, one.size) == nil {
			s.doubts.noteSilent()
			return errSilent(a), nil
		}
		if !again.Whole || again.kind() != a.kind() {
			return fmt.Errorf("%s is not the service's, which answers a record of the batch with %v: the batch counts as not delivered; %s", a.quoted(), again, remedy), nil
		}
	}
	return nil, nil
}

func errSilent(a *answer) error {
	return fmt.Errorf("%s is not the service's, which acknowledges without a body: the batch counts as not delivered; %s", a.quoted(), remedy)
}

// compare judges a doubtful answer by the answer to a damaged copy of the batch.
func compare(a, check *answer) error {
	if check.Status != http.StatusBadRequest || check.Code != "InvalidDataFormat" {
		return fmt.Errorf("%s is not the service's: it does not refuse a damaged batch either, but says %v: the batch counts as not delivered; %s", a.quoted(), check, remedy)
	}
	if a.hop() != check.hop() {
		return fmt.Errorf("%s is not the service's, which answers a damaged batch in another way: the batch counts as not delivered; %s", a.quoted(), remedy)
	}
	return nil
}

// kind identifies answers that are the same.
func (a *answer) kind() string {
	return strings.Join([]string{strconv.Itoa(a.Status), a.hop(), a.Header.Get("Content-Type"), a.text}, "\n")
}

// hop is what an answer's headers say about its origin.
func (a *answer) hop() string {
	return strings.Join(a.Header.Values("Server"), ",") + "\n" + strings.Join(a.Header.Values("Via"), ",")
}

// maxVerdicts bounds what is remembered: an answer that quotes a part of the
// request differs each time.
const maxVerdicts = 100

func (d *doubts) isSilent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.silent.IsZero() && time.Since(d.silent) < verdictLife
}

// noteSilent notes a normal acknowledgement, without a body. From then on, no answer
// with a body counts as the service's.
func (d *doubts) noteSilent() {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = now
	for kind, v := range d.verdicts {
		if v.error == nil {
			delete(d.verdicts, kind)
		}
	}
}

func (d *doubts) look(kind string) (verdict, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.verdicts[kind]
	life := verdictLife
	if v.error == nil {
		life = beliefLife
	}
	return v, ok && time.Since(v.at) < life
}

func (d *doubts) note(kind string, v verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.verdicts) >= maxVerdicts {
		clear(d.verdicts)
	}
	d.verdicts[kind] = v
}

// notices are messages about answers for the user, by table.
type notices struct {
	mu   sync.Mutex
	list map[string][]string
}

func (n *notices) add(table, notice string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	const most = 10
	if n.list == nil {
		n.list = map[string][]string{}
	}
	if list := n.list[table]; len(list) < most && !slices.Contains(list, notice) {
		n.list[table] = append(list, notice)
	}
}

// Notices implements [pipeline.Noticer].
func (s *Sink) Notices(table string) []string {
	s.notices.mu.Lock()
	defer s.notices.mu.Unlock()
	list := s.notices.list[table]
	delete(s.notices.list, table)
	return list
}

// Share returns the same sink for another caller. Both share what was found out about the
// service, but each has its own notices, which quote the answers to its own posts.
func (s *Sink) Share() pipeline.Sink {
	own := *s
	own.notices = new(notices)
	return &own
}
