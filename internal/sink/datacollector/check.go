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
	const probe = "[[]"
	a, err := s.post(ctx, probeTable, "", content{len(probe), func() io.Reader { return strings.NewReader(probe) }})
	if err == nil {
		switch {
		case a.Status == http.StatusBadRequest && a.Code == "InvalidDataFormat":
			return nil
		case a.Status == http.StatusNotFound: // three bytes are not too large
			err = fmt.Errorf("%v: the address is wrong: check CUSTOMER_ID and logAnalyticsUri", a)
		default:
			err = a.judge(1, len(probe)) // nil if the service accepts the probe, to discard it later
		}
	}
	return azmonitor.Wrap(err, "check workspace "+s.id)
}
