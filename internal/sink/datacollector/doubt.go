package datacollector

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	return fmt.Sprintf("%v is no acknowledgement that the service is known to send", d.answer)
}

const remedy = "let *.ods.opinsights.azure.com pass the proxy or gateway in between, and check logAnalyticsUri"

// verdictLife is how long what was found out about an answer holds.
const verdictLife = 10 * time.Minute

// doubts is what was found out about answers, and what the user should hear of it.
type doubts struct {
	mu       sync.Mutex
	silent   bool // the service has acknowledged without a body, as it is known to
	verdicts map[string]verdict
	notices  map[string][]string // by stream
}

func newDoubts() *doubts {
	return &doubts{verdicts: map[string]verdict{}, notices: map[string][]string{}}
}

type verdict struct {
	at    time.Time
	error error // nil: the answer is the service's
}

// settle finds out whether a doubtful answer to body is the service's, by posting
// the same bytes with a bracket too many in front. That is no JSON: the service
// refuses it in its own words and ingests nothing, while what answers 200 to
// whatever it does not like answers 200 again. An answer that reads the same is
// not asked about again for a while, so that a proxy that stays is no second load.
func (s *Sink) settle(ctx context.Context, stream, timeField string, body content, a *answer) error {
	if s.doubts.isSilent() {
		return &pipeline.Retryable{Err: fmt.Errorf("%v (%q) is not the service's, which acknowledges without a body: the batch counts as not delivered; %s", a, a.text, remedy)}
	}
	kind := a.hop() + "\n" + a.header.Get("Content-Type") + "\n" + a.text
	v, known := s.doubts.look(kind)
	if !known {
		check, err := s.post(ctx, stream, timeField, content{body.size + 1, func() io.Reader {
			return io.MultiReader(strings.NewReader("["), body.open())
		}})
		if err != nil {
			return err
		}
		v = verdict{at: time.Now(), error: compare(a, check)}
		s.doubts.note(kind, v)
	}
	if v.error != nil {
		return &pipeline.Retryable{Err: v.error}
	}
	s.doubts.tell(stream, fmt.Sprintf("the workspace acknowledged with %v (%q), which it is not known to do; batches with that answer count as delivered, "+
		"because it refused a damaged copy of one in its own words", a, a.text))
	return nil
}

// compare judges a doubtful answer by the answer to the counter-check.
func compare(a, check *answer) error {
	if check.status != http.StatusBadRequest || check.code != "InvalidDataFormat" {
		return fmt.Errorf("%v (%q) is not the service's: it does not refuse a damaged batch either, but says %v: the batch counts as not delivered; %s", a, a.text, check, remedy)
	}
	if a.hop() != check.hop() {
		return fmt.Errorf("%v (%q) is not the service's, which answers a damaged batch in another way: the batch counts as not delivered; %s", a, a.text, remedy)
	}
	return nil
}

// hop is what an answer says about where it comes from.
func (a *answer) hop() string {
	return strings.Join(a.header.Values("Server"), ",") + "\n" + strings.Join(a.header.Values("Via"), ",")
}

// maxVerdicts bounds what is remembered: an answer that repeats a part of the
// request is another one each time.
const maxVerdicts = 100

func (d *doubts) isSilent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.silent
}

// noteSilent notes an acknowledgement as the service is known to send it.
func (d *doubts) noteSilent() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = true
}

func (d *doubts) look(kind string) (verdict, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.verdicts[kind]
	return v, ok && time.Since(v.at) < verdictLife
}

func (d *doubts) note(kind string, v verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.verdicts) >= maxVerdicts {
		clear(d.verdicts)
	}
	d.verdicts[kind] = v
}

func (d *doubts) tell(stream, notice string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const most = 10
	if list := d.notices[stream]; len(list) < most && !slices.Contains(list, notice) {
		d.notices[stream] = append(list, notice)
	}
}

// Notices implements [pipeline.Noticer].
func (s *Sink) Notices(stream string) []string {
	s.doubts.mu.Lock()
	defer s.doubts.mu.Unlock()
	list := s.doubts.notices[stream]
	delete(s.doubts.notices, stream)
	return list
}
