package datacollector

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

// probeTable is the table that Check's probe names. It is never created.
const probeTable = "IdnSentinelCheck"

// Check finds out whether the workspace accepts the id and the key, without
// ingesting anything. Its errors are worded like those of Write.
//
// The API has no call for this. The probe is a post that is correct except for
// its body, the three bytes "[[]", which is invalid JSON. The service answers a
// wrong key with 403, and a correct one with 400 InvalidDataFormat, because there
// is nothing to ingest. It is not documented that the service checks the key
// first, but the signature covers only the length of the body, so it need not
// read the body to refuse a caller. Leaving out a header would be as harmless,
// but the service may report missing headers before it checks the key.
func (s *Sink) Check(ctx context.Context) error {
	a, err := s.post(ctx, probeTable, "", probe())
	return azmonitor.Wrap(s.judgeProbe(a, err), "check workspace "+s.id)
}

// Keys says, after a Check that found no error, which key is in use, and whether the
// workspace takes the other one, too.
func (s *Sink) Keys(ctx context.Context) string {
	order := s.keys.order()
	used := s.keys.slots[order[0]].setting
	if len(order) == 1 {
		return "CUSTOMER_ID and " + used + " are accepted"
	}
	used = "CUSTOMER_ID and " + used + " are accepted and in use"
	spare := s.keys.slots[order[1]].setting
	with, err := s.keys.get(ctx, order[1])
	if err == nil {
		var a *answer
		a, err = s.postWith(ctx, with, probeTable, "", probe())
		if err == nil && a.refusesKey() {
			return used + ", but " + spare + " is refused: set it to the workspace's other key"
		}
		err = s.judgeProbe(a, err)
	}
	if err != nil {
		return fmt.Sprintf("%s, but %s can't be tried: %v", used, spare, err)
	}
	return used + "; " + spare + " is accepted, too"
}

// probe is the body of a check.
func probe() content {
	const body = "[[]"
	return content{len(body), func() io.Reader { return strings.NewReader(body) }}
}

// judgeProbe turns the answer to a probe into an error.
func (s *Sink) judgeProbe(a *answer, err error) error {
	if err == nil {
		switch {
		case a.Status == http.StatusBadRequest && a.Code == "InvalidDataFormat":
			return nil
		case a.Status == http.StatusNotFound: // three bytes are not too large
			err = fmt.Errorf("%v: the address is wrong: check CUSTOMER_ID and logAnalyticsUri", a)
		default:
			err = a.judge(1, probe().size) // nil if the service accepts the probe, to discard it later
		}
	}
	return err
}
