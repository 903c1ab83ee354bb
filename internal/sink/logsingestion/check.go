package logsingestion

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

// Check finds out whether the rule accepts the identity and has the streams,
// without ingesting anything. Its errors are worded like those of Write.
func (s *Sink) Check(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		if err := s.probe(ctx, name); err != nil {
			return azmonitor.Wrap(err, "check stream Custom-"+name)
		}
	}
	return nil
}

// probe posts an empty array to a stream. The service answers it like any other batch.
func (s *Sink) probe(ctx context.Context, name string) error {
	empty, err := s.pack(nil, nil, 0)
	if err != nil {
		return err
	}
	a, err := s.send(ctx, s.streams[name].url, empty)
	if err != nil {
		return err
	}
	err = a.judge(s, name)
	var rejected *pipeline.Rejected
	if !errors.As(err, &rejected) {
		return err
	}
	if a.cutOff() {
		return a.unread()
	}
	return fmt.Errorf("%v: even an empty batch is rejected, so the configuration is wrong: check that DCR_IMMUTABLE_ID (%s) and LOGS_INGESTION_ENDPOINT belong together, "+
		"that no table of the rule is a classic table (migrate it), and deploy the template of this version again. Everything is kept", a, s.ruleID)
}

// confirmRejection checks whether a single refused record is really at fault. If the service
// refuses an empty batch too, the record is not, and must not go into quarantine.
func (s *Sink) confirmRejection(ctx context.Context, name string, a *answer, refusal error) error {
	if a.cutOff() {
		return a.unread()
	}
	if err := s.probe(ctx, name); err != nil {
		return err
	}
	return refusal
}
