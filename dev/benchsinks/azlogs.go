package main

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// mostPerCall is what the service takes of a request that is not compressed.
// azlogs neither compresses nor splits, so keeping to it is for its caller.
const mostPerCall = 1 << 20

// uploads sends with azlogs as its documentation shows: one Upload after the
// other, without options.
//
// The example there makes the body with json.Marshal. Here the records are JSON
// already and are joined, in one buffer again and again, which is kinder to azlogs.
func uploads(ctx context.Context, j job, records []pipeline.Record) error {
	client, err := azlogs.NewClient(j.Endpoint, staticToken(j.Token), nil)
	if err != nil {
		return err
	}
	buffer := make([]byte, 0, mostPerCall)
	for rest := records; len(rest) > 0; {
		body, n := join(buffer, rest)
		if n == 0 {
			return fmt.Errorf("a record of %d bytes does not fit into a request", len(rest[0].Raw))
		}
		if _, err := client.Upload(ctx, j.Rule, "Custom-"+j.Stream, body, nil); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// join makes a JSON array of as many leading records as fit, in the room of buffer.
func join(buffer []byte, records []pipeline.Record) (array []byte, n int) {
	buffer = append(buffer[:0], '[')
	for _, r := range records {
		if n > 0 {
			buffer = append(buffer, ',')
		}
		if len(buffer)+len(r.Raw)+len("]") > mostPerCall {
			break
		}
		buffer = append(buffer, r.Raw...)
		n++
	}
	if n > 0 && n < len(records) {
		buffer = buffer[:len(buffer)-1] // the comma of the one that did not fit
	}
	return append(buffer, ']'), n
}
