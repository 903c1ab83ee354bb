package logsingestion

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Check finds out whether the rule takes the identity and has the streams, and
// ingests nothing: it posts an empty array to each, which the service answers as
// any other. Its errors are worded as those of Write.
func (s *Sink) Check(ctx context.Context) error {
	empty, err := s.pack(nil, nil)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		a, err := s.send(ctx, s.streams[name].url, empty)
		if err == nil {
			err = a.judge(s.ruleID, name, s.tokens.audience)
		}
		var rejected *pipeline.Rejected
		if errors.As(err, &rejected) { // there is no record to blame
			err = rejected.Err
		}
		if err != nil {
			return wrap(err, "check stream Custom-"+name)
		}
	}
	return nil
}
