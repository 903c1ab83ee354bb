package queue_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host/queue"
)

// account is a queue service of the test's own.
func account(t *testing.T) queue.Account {
	t.Helper()
	s := azurite.StartQueues(t)
	return queue.Account{URL: s.QueueURL, Name: s.AccountName, Key: s.AccountKey}
}

// bed is a queue with a listener that does what the test says.
type bed struct {
	t      *testing.T
	q      queue.Queue
	counts queue.Counts
}

// listen starts a listener, and returns what ends it.
func (b *bed) listen(s queue.Settings, invoke func(context.Context, queue.Message) bool) (kill func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	l := queue.Listener{Queue: b.q, Settings: s, Invoke: invoke, Counts: &b.counts}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Listen(ctx)
	}()
	return func() { cancel(); <-ended }
}

// until waits for a condition.
func (b *bed) until(what string, is func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			b.t.Fatalf("never: %s; %+v", what, &b.counts)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (b *bed) len(q queue.Queue) int {
	b.t.Helper()
	n, err := q.Len(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func settings() queue.Settings {
	return queue.Settings{BatchSize: 4, NewBatchThreshold: 2, MaxDequeueCount: 3, Visibility: 0, MaxPolling: 200 * time.Millisecond}
}

// The queue service and the listener together, each in a queue of its own.
func TestListener(t *testing.T) {
	a := account(t)
	for name, test := range map[string]func(*bed){
		"a success is deleted":                succeeds,
		"a failure is delivered some times":   fails,
		"batch and threshold":                 batches,
		"a killed instance keeps its hold":    killed,
		"a long invocation is renewed":        renews,
		"a queue that is missing is no error": absent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&bed{t: t, q: queue.Queue{Account: a, Name: strings.ReplaceAll(name, " ", "-")}})
		})
	}
}

func succeeds(b *bed) {
	var got sync.Map
	if err := b.q.Send(b.t.Context(), `{"a":1}`, "ü <&>"); err != nil {
		b.t.Fatal(err)
	}
	defer b.listen(settings(), func(_ context.Context, m queue.Message) bool {
		text, _ := m.Decoded()
		got.Store(text, m.DequeueCount)
		return true
	})()
	b.until("both are done", func() bool { return b.counts.Succeeded.Load() == 2 && b.len(b.q) == 0 })
	for _, text := range []string{`{"a":1}`, "ü <&>"} {
		if n, _ := got.Load(text); n != 1 {
			b.t.Errorf("%q was delivered %v times", text, n)
		}
	}
}

func fails(b *bed) {
	var deliveries []int
	if err := b.q.Put(b.t.Context(), "no base64"); err != nil {
		b.t.Fatal(err)
	}
	defer b.listen(settings(), func(_ context.Context, m queue.Message) bool {
		deliveries = append(deliveries, m.DequeueCount) // one at a time
		return false
	})()
	b.until("it is poison", func() bool { return b.len(b.q.Poison()) == 1 && b.len(b.q) == 0 })
	if diff := cmp.Diff([]int{1, 2, 3}, deliveries); diff != "" {
		b.t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	if list, err := b.q.Poison().Peek(b.t.Context()); err != nil || len(list) != 1 || list[0].Text != "no base64" {
		b.t.Errorf("%v: %+v", err, list)
	}
}

func batches(b *bed) {
	const all = 10
	for range all {
		if err := b.q.Send(b.t.Context(), "x"); err != nil {
			b.t.Fatal(err)
		}
	}
	one := make(chan struct{})
	defer b.listen(settings(), func(ctx context.Context, _ queue.Message) bool {
		select {
		case <-one:
		case <-ctx.Done():
		}
		return true
	})()
	b.until("a batch is at work", func() bool { return b.counts.AtWork.Load() == 4 })
	one <- struct{}{}
	b.until("three are", func() bool { return b.counts.AtWork.Load() == 3 })
	if n := b.counts.Received.Load(); n != 4 { // three are more than the threshold
		b.t.Errorf("%d were taken, want 4", n)
	}
	one <- struct{}{}
	b.until("another batch is", func() bool { return b.counts.AtWork.Load() == 6 })
	close(one)
	b.until("all are done", func() bool { return b.counts.Succeeded.Load() == all })
	if n := b.counts.Most.Load(); n != 6 {
		b.t.Errorf("%d at work at most, want 6", n)
	}
}

func killed(b *bed) {
	s := settings()
	s.Hold = 2 * time.Second
	if err := b.q.Send(b.t.Context(), "x"); err != nil {
		b.t.Fatal(err)
	}
	began := make(chan time.Time, 1)
	kill := b.listen(s, func(ctx context.Context, _ queue.Message) bool {
		began <- time.Now()
		<-ctx.Done()
		return true
	})
	at := <-began
	kill()
	again := make(chan int, 1)
	defer b.listen(s, func(_ context.Context, m queue.Message) bool {
		again <- m.DequeueCount
		return true
	})()
	if n := <-again; n != 2 || time.Since(at) < time.Second {
		b.t.Errorf("delivery %d after %v, want the second one after about 2s", n, time.Since(at))
	}
}

func renews(b *bed) {
	s := settings()
	s.Hold = 8 * time.Second
	if err := b.q.Send(b.t.Context(), "x"); err != nil {
		b.t.Fatal(err)
	}
	var deliveries atomic.Int64
	work := func(ctx context.Context, _ queue.Message) bool {
		deliveries.Add(1)
		select {
		case <-time.After(12 * time.Second):
		case <-ctx.Done():
		}
		return true
	}
	defer b.listen(s, work)()
	defer b.listen(s, work)()
	b.until("it is done", func() bool { return b.counts.Succeeded.Load() == 1 && b.len(b.q) == 0 })
	if n := deliveries.Load(); n != 1 || b.counts.Lost.Load() != 0 {
		b.t.Errorf("%d deliveries, %d lost", n, b.counts.Lost.Load())
	}
}

func absent(b *bed) {
	got := make(chan struct{}, 1)
	defer b.listen(settings(), func(context.Context, queue.Message) bool { got <- struct{}{}; return true })()
	if n := b.len(b.q); n != 0 {
		b.t.Errorf("%d messages in no queue", n)
	}
	if err := b.q.Send(b.t.Context(), "x"); err != nil { // the output binding creates it
		b.t.Fatal(err)
	}
	<-got
	if n := b.counts.Errors.Load(); n != 0 {
		b.t.Errorf("%d errors", n)
	}
}

// The settings of the package, and those that the host refuses.
func TestReadSettings(t *testing.T) {
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	got, err := queue.ReadSettings(filepath.Join(root, "deploy", "queue", "host.json"))
	want := queue.Settings{BatchSize: 8, NewBatchThreshold: 8, MaxDequeueCount: 5, Visibility: 2 * time.Minute, MaxPolling: 5 * time.Second}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := queue.ReadSettings(filepath.Join(root, "host.json")); err == nil || !strings.Contains(err.Error(), "queueTrigger is not registered") {
		t.Errorf("the ordinary package: %v", err)
	}
	bundle := `"extensionBundle":{"id":"Microsoft.Azure.Functions.ExtensionBundle","version":"[4.*, 5.0.0)"}`
	for name, tc := range map[string]struct {
		text string
		want queue.Settings
		ok   bool
	}{
		"defaults":     {`{` + bundle + `}`, queue.Settings{BatchSize: 16, NewBatchThreshold: 8, MaxDequeueCount: 5, MaxPolling: time.Minute}, true},
		"large batch":  {`{` + bundle + `,"extensions":{"queues":{"batchSize":33}}}`, queue.Settings{}, false},
		"odd time":     {`{` + bundle + `,"extensions":{"queues":{"visibilityTimeout":"2m"}}}`, queue.Settings{}, false},
		"odd encoding": {`{` + bundle + `,"extensions":{"queues":{"messageEncoding":"none"}}}`, queue.Settings{}, false},
		"no JSON":      {`{`, queue.Settings{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "host.json")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := queue.ReadSettings(path)
			if diff := cmp.Diff(tc.want, got); (err == nil) != tc.ok || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
