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

// doubt is an answer of 200 that has a body. Microsoft's page documents the status
// and no body, and in practice the service sends none; a proxy's "access denied"
// may come with the same status. So such an answer counts neither as an
// acknowledgement nor as a refusal until it is settled.
type doubt struct{ *answer }

func (d *doubt) Error() string {
	return fmt.Sprintf("%v is not an acknowledgement that the service is known to send", d.answer)
}

const remedy = "exempt *.ods.opinsights.azure.com from the proxy or gateway in between, and check logAnalyticsUri"

const (
	// verdictLife is how long it holds that an answer is not the service's, and that
	// the service acknowledges without a body.
	verdictLife = 10 * time.Minute
	// beliefLife is how long it holds that an answer is the service's: to find that out
	// costs a record that comes twice.
	beliefLife = 24 * time.Hour
)

// doubts is what was found out about answers.
type doubts struct {
	settling chan struct{} // held by the one that asks
	mu       sync.Mutex
	silent   time.Time // when the service last acknowledged without a body, as it is known to
	verdicts map[string]verdict
}

func newDoubts() *doubts {
	return &doubts{settling: make(chan struct{}, 1), verdicts: map[string]verdict{}}
}

type verdict struct {
	at    time.Time
	error error // nil: the answer is the service's
}

// settle finds out whether a doubtful answer to a batch is the service's. An answer
// that reads the same is not asked about again for a while, so that a proxy that
// stays is no second load.
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
	s.notices.add(stream, fmt.Sprintf("the workspace acknowledged with %v (%q), which it is not known to do; batches with that answer count as delivered, "+
		"because it refused a damaged copy of one in its own words", a, a.text))
	return nil
}

// ask puts two questions. The first is the same bytes with a bracket too many in
// front, which is no JSON: the service refuses it in its own words and ingests
// nothing, while what answers 200 to whatever it does not like answers 200 again.
// But that only shows that the service can be reached now. The answer in doubt may
// have been a gateway's that has let everything pass since, so the second is a record
// of the batch once more: a service that acknowledges in words does it again. That
// record comes again, if the service had it already. Both are put more than once:
// the turns of a load balancer with one bad member can't fit all of that.
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
			return fmt.Errorf("%v (%q) is not the service's, which answers a record of the batch with %v: the batch counts as not delivered; %s", a, a.text, again, remedy), nil
		}
	}
	return nil, nil
}

func errSilent(a *answer) error {
	return fmt.Errorf("%v (%q) is not the service's, which acknowledges without a body: the batch counts as not delivered; %s", a, a.text, remedy)
}

// compare judges a doubtful answer by the answer to the counter-check.
func compare(a, check *answer) error {
	if check.Status != http.StatusBadRequest || check.Code != "InvalidDataFormat" {
		return fmt.Errorf("%v (%q) is not the service's: it does not refuse a damaged batch either, but says %v: the batch counts as not delivered; %s", a, a.text, check, remedy)
	}
	if a.hop() != check.hop() {
		return fmt.Errorf("%v (%q) is not the service's, which answers a damaged batch in another way: the batch counts as not delivered; %s", a, a.text, remedy)
	}
	return nil
}

// kind is what answers of one origin have in common.
func (a *answer) kind() string {
	return strings.Join([]string{strconv.Itoa(a.Status), a.hop(), a.Header.Get("Content-Type"), a.text}, "\n")
}

// hop is what an answer says about where it comes from.
func (a *answer) hop() string {
	return strings.Join(a.Header.Values("Server"), ",") + "\n" + strings.Join(a.Header.Values("Via"), ",")
}

// maxVerdicts bounds what is remembered: an answer that repeats a part of the
// request is another one each time.
const maxVerdicts = 100

func (d *doubts) isSilent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.silent.IsZero() && time.Since(d.silent) < verdictLife
}

// noteSilent notes an acknowledgement as the service is known to send it. From then
// on nothing that it was taken for in words is believed.
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

// notices is what users should hear about answers, by table.
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

// Share returns the same sink for another user. What was found out about the service holds for
// both, but each has its own notices: they quote answers to what it sent.
func (s *Sink) Share() pipeline.Sink {
	own := *s
	own.notices = new(notices)
	return &own
}
