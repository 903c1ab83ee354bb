package datacollector

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

// probeTable is named in the probe of Check. It is never created.
const probeTable = "IdnSentinelCheck"

// Check finds out whether the workspace takes the id and the key, and ingests
// nothing. Its errors are worded as those of Write.
//
// The API has no call for this. The probe is a post that is right in everything
// but its body, the three bytes "[[]", which is no JSON. A wrong key is
// answered with 403. A right one must be answered with 400 InvalidDataFormat,
// because there is nothing that could be ingested. That the key is looked at
// before the body is not documented but follows: the signature covers only the
// length of the body, so the service need not read it to refuse a stranger. A
// header left out would be as harmless, but the service may well complain about
// headers before it looks at the key.
func (s *Sink) Check(ctx context.Context) error {
	const probe = "[[]"
	a, err := s.post(ctx, probeTable, "", content{len(probe), func() io.Reader { return strings.NewReader(probe) }})
	if err == nil {
		switch {
		case a.Status == http.StatusBadRequest && a.Code == "InvalidDataFormat":
			return nil
		case a.Status == http.StatusNotFound: // three bytes are not too large
			err = fmt.Errorf("%v: the address is wrong: check CUSTOMER_ID and logAnalyticsUri", a)
		default:
			err = a.judge(1, len(probe)) // nil, should the service take it and throw it away later
		}
	}
	return azmonitor.Wrap(err, "check workspace "+s.id)
}
