package pipeline

import (
	"fmt"
	"time"
)

// clockSlack is how far ahead of this machine's clock a stored moment may be before one of the
// two is considered wrong.
const clockSlack = 5 * time.Minute

// future is the error for a checkpoint that claims to cover a moment that has not come yet. The
// tail corrects it, because it goes by what the source shows now.
func (s *session) future(now time.Time) error {
	through, since := s.saved.Through, s.saved.Since
	switch {
	case through.After(now.Add(clockSlack)):
	case since.After(now.Add(clockSlack)):
		return fmt.Errorf("the checkpoint says that the stream begins at %s, which is %v ahead of this machine's clock, and nothing before that is audited: "+
			"if the clock is now right, it was ahead in the first run, and the next page that is read corrects this; if not, set the clock",
			since.UTC().Format(time.RFC3339), since.Sub(now).Round(time.Second))
	default:
		return nil
	}
	return fmt.Errorf("the checkpoint says that the stream is delivered through %s, which is %v ahead of this machine's clock: "+
		"if the clock is now right, it was ahead in an earlier run, and the next run that reads the stream to its end corrects this; "+
		"if not, set the clock. idnsentinel audit shows whether anything is missing",
		through.UTC().Format(time.RFC3339), through.Sub(now).Round(time.Second))
}

// through is up to where the stream is covered after a page that says so. That never goes
// back, nor ahead of now.
func (s *session) through(page time.Time) time.Time {
	now, saved := time.Now(), s.next.Through
	if page.After(now) {
		page = now
	}
	if page.After(saved) || saved.After(now.Add(clockSlack)) && !page.IsZero() {
		return page
	}
	return saved
}

// warnOfFirst says that a stream begins from nothing: that is right once, and after that
// its state is gone.
func (s *session) warnOfFirst() {
	if s.saved.Tag != "" || s.Lookback == 0 {
		return
	}
	text := "no checkpoint: begins "
	switch {
	case !s.begins.IsZero():
		text += "at " + s.begins.UTC().Format(time.RFC3339)
	case !s.saved.Since.IsZero():
		text += "at " + s.saved.Since.UTC().Format(time.RFC3339) + ", where the ledger of delivered records ends"
	default:
		text += "where the old connector stopped"
	}
	s.warn(text + ". On a first run this is normal; on a later one the state is missing or a different one is used " +
		"(STATE_URL, AZURE_STORAGE_ACCOUNT_NAME): restore the checkpoint, or use idnsentinel audit --workspace to see what is missing")
}

// warnOfGap says that the source may have forgotten records that were never read.
func (s *session) warnOfGap() {
	last := s.saved.Through
	if s.Remembers == 0 || last.IsZero() || time.Since(last) <= s.Remembers {
		return
	}
	s.warn(fmt.Sprintf("the source keeps records for %.0f h and was last read to its end at %s: later records may be lost; "+
		"an alert on lag_seconds of the health table warns in time", s.Remembers.Hours(), last.UTC().Format(time.RFC3339)))
}
