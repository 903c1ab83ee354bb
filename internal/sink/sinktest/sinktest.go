// Package sinktest is the suite that every [pipeline.Sink] passes.
//
// It asks for what the pipeline relies on: what a sink acknowledged is at its
// destination, byte for byte and once; what it did not acknowledge is an error of
// the right kind, with the wait that the service asked for; one bad record is
// told from a bad moment; a cancelled context ends a write at once; and no
// error shows a secret or the content of a record.
//
// The destination is one that can tell what arrived: a stand-in, a buffer, a
// file. Tests that need a fake clock run under testing/synctest, so a
// destination must not block outside of it: no sockets.
package sinktest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Subject is the sink under test.
type Subject struct {
	// Open makes a sink with an empty destination of its own.
	Open func(tb testing.TB, setup Setup) Opened
	// Service says that the destination is a service, which can fail and refuse.
	// Without it Setup is always zero.
	Service bool
	// Rules says that the destination has column rules, which Fit makes records fit.
	Rules bool
}

// Setup is how the destination shall behave.
type Setup struct {
	// Faults are what its answers meet.
	Faults *fault.Plan
	// Poison marks records that it refuses.
	Poison func(raw []byte) bool
	// Gateway makes what is between the sink and the service, if it is set. status is how the
	// service acknowledges.
	Gateway func(service http.RoundTripper, status int) http.RoundTripper
}

// Client is a client of the service.
func (s Setup) Client(service http.RoundTripper, status int) *http.Client {
	if s.Gateway != nil {
		service = s.Gateway(service, status)
	}
	return &http.Client{Transport: service}
}

// Opened is a sink and what is behind it.
type Opened struct {
	Sink pipeline.Sink
	// Stored returns what the destination has for a stream, in order of arrival.
	Stored func(stream string) []jsontext.Value
	// Secrets are texts that no error may show.
	Secrets []string
}

const (
	stream = "SailPointIDN_Events"
	other  = "SailPointIDN_Triggers"
	// content stands for what a record holds; no error may show it.
	content = "canary-of-the-record"
)

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	type test struct {
		name string
		run  func(*testing.T, Subject)
	}
	tests := []test{
		{"bytes arrive as they are", testBytes},
		{"no records, no write", testEmpty},
		{"streams are kept apart", testStreams},
		{"any batches arrive once", testBatches},
		{"a batch is the caller's again", testBatchIsGivenBack},
		{"concurrent writes", testConcurrent},
		{"fitted rows are taken", testFit},
		{"ended context", testEndedContext},
		{"a record too large is rejected", testTooLarge},
	}
	if s.Service {
		tests = append(
			tests,
			test{"transient faults", testTransient},
			test{"foreign answers acknowledge nothing", testForeign},
			test{"trailers acknowledge nothing", testTrailer},
			test{"early acknowledgements cast doubt on others", testEarly},
			test{"the wait that was asked for", testRetryAfter},
			test{"a lost acknowledgement is an error", testLostAcknowledgement},
			test{"poison is rejected", testPoison},
			test{"cancelled while waiting", testCancelled},
			test{"any faults, nothing lost", testAnyFaults},
		)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// record makes a record with the id and a raw form that shows no oddity.
func record(id string) pipeline.Record {
	return pipeline.Record{
		ID: id, Time: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC),
		Raw: jsontext.Value(fmt.Sprintf(`{"id":%q,"created":"2026-09-01T00:00:00Z","name":%q}`, id, content)),
	}
}

func records(prefix string, n int) []pipeline.Record {
	batch := make([]pipeline.Record, n)
	for i := range batch {
		batch[i] = record(fmt.Sprintf("%s%d", prefix, i))
	}
	return batch
}

// texts are the raw forms of a batch.
func texts(batch []pipeline.Record) []string {
	var all []string
	for _, r := range batch {
		all = append(all, string(r.Raw))
	}
	return all
}

func (o Opened) stored(stream string) []string {
	var all []string
	for _, raw := range o.Stored(stream) {
		all = append(all, string(raw))
	}
	return all
}

// fataler is a test of the testing package or of rapid.
type fataler interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// write writes a batch that must be acknowledged.
func (o Opened) write(t fataler, batch []pipeline.Record, write func() error) {
	t.Helper()
	if err := write(); err != nil {
		o.checkError(t, err)
		t.Fatalf("write of %d records: %v", len(batch), err)
	}
}

// checkError asks of every error what holds for all of them.
func (o Opened) checkError(t fataler, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error")
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%q"} {
		text := fmt.Sprintf(form, err)
		for _, secret := range append([]string{content}, o.Secrets...) {
			if strings.Contains(text, secret) {
				t.Errorf("the error shows %q: %s", secret, text)
			}
		}
	}
	if len(err.Error()) > 2000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	var (
		retryable *pipeline.Retryable
		rejected  *pipeline.Rejected
	)
	if errors.As(err, &retryable) && errors.As(err, &rejected) {
		t.Errorf("both retryable and rejected: %v", err)
	}
}

// testBatchIsGivenBack: once Write has returned, the memory of the batch may hold anything.
func testBatchIsGivenBack(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	batch := records("a", 50)
	want := texts(batch)
	o.write(t, batch, func() error { return o.Sink.Write(t.Context(), stream, batch) })
	for _, r := range batch {
		for i := range r.Raw {
			r.Raw[i] = '!'
		}
	}
	next := records("b", 1)
	o.write(t, next, func() error { return o.Sink.Write(t.Context(), stream, next) })
	if diff := cmp.Diff(append(want, texts(next)...), o.stored(stream)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}
