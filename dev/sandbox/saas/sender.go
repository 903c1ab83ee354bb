package saas

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// answerWithin is how long the sender waits for an answer.
const answerWithin = 30 * time.Second

// Presents is how a secret is sent.
type Presents string

// The ways that are possible.
const (
	Bearer Presents = ""      // as a workflow demands of its callers
	Alone  Presents = "alone" // the header is the secret
	Basic  Presents = "basic" // the secret is the password
)

// Webhook is where reports are sent.
type Webhook struct {
	URL      string
	Secret   string
	Presents Presents
}

// Schedule sends a report to a webhook at set times.
type Schedule struct {
	Webhook Webhook
	// Report makes the report that is sent at a moment.
	Report func(at time.Time) Report
	// First is when it is sent first, and Every how often after that; 0 means once.
	First time.Time
	Every time.Duration

	Form Form
	// Gzip compresses the body; Chunked leaves Content-Length out.
	Gzip, Chunked bool
	// Retries is how often a report is sent again that was not answered with 2xx, and Wait how long
	// after that. Whether SaaS Management does so is not documented.
	Retries int
	Wait    time.Duration
	// Twice sends what was answered with 2xx once more.
	Twice bool
}

// Attempt is what a sender knows about sending a report once.
type Attempt struct {
	Report string
	Rows   int
	At     time.Time
	Status int // 0 if there was no answer
	Err    error
}

// Accepted reports whether the answer was good.
func (a Attempt) Accepted() bool { return a.Status/100 == 2 }

// written is a report as it is sent.
type written struct {
	body                  []byte
	contentType, encoding string
}

// Sender sends reports. The zero value is ready for use.
type Sender struct {
	// Transport, if set, is used instead of the default one.
	Transport http.RoundTripper

	mu       sync.Mutex
	attempts []Attempt
}

// Attempts returns what was sent so far.
func (s *Sender) Attempts() []Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Attempt(nil), s.attempts...)
}

// Run sends by a schedule until that or the context ends. A report that is not accepted does not end it.
func (s *Sender) Run(ctx context.Context, c Schedule) {
	for at := c.First; wait(ctx, time.Until(at)); at = at.Add(c.Every) {
		_, _ = s.Send(ctx, c, c.Report(at)) // Attempts has it
		if c.Every <= 0 {
			return
		}
	}
}

// Write returns a report as it is sent, and the headers that describe it; encoding is "" or "gzip".
func (c Schedule) Write(r Report) (body []byte, contentType, encoding string) {
	body, contentType = c.Form.Write(r)
	if c.Gzip {
		body, encoding = compress(body), "gzip"
	}
	return body, contentType, encoding
}

// Send sends a report the way a schedule says, now. The error says why it was not accepted.
func (s *Sender) Send(ctx context.Context, c Schedule, r Report) (Attempt, error) {
	var w written
	w.body, w.contentType, w.encoding = c.Write(r)
	var a Attempt
	for n := 0; ; n++ {
		a = s.once(ctx, c, r, w)
		if a.Accepted() || n >= c.Retries || !wait(ctx, c.Wait) {
			break
		}
	}
	if a.Accepted() && c.Twice {
		a = s.once(ctx, c, r, w)
	}
	switch {
	case a.Err != nil:
		return a, a.Err
	case !a.Accepted():
		return a, fmt.Errorf("the webhook answered with status %d", a.Status)
	}
	return a, nil
}

// once posts a report, follows no redirect, and notes what came of it.
func (s *Sender) once(ctx context.Context, c Schedule, r Report, w written) Attempt {
	a := Attempt{Report: r.Name, Rows: len(r.Rows), At: time.Now()}
	a.Status, a.Err = s.post(ctx, c, w)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, a)
	return a
}

func (s *Sender) post(ctx context.Context, c Schedule, w written) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Webhook.URL, bytes.NewReader(w.body))
	if err != nil {
		return 0, errors.New("the webhook's URL is not an address")
	}
	if c.Chunked {
		req.ContentLength, req.Body = -1, io.NopCloser(bytes.NewReader(w.body))
	}
	req.Header.Set("Content-Type", w.contentType)
	if w.encoding != "" {
		req.Header.Set("Content-Encoding", w.encoding)
	}
	switch c.Webhook.Presents {
	case Alone:
		req.Header.Set("Authorization", c.Webhook.Secret)
	case Basic:
		req.SetBasicAuth("saas-management", c.Webhook.Secret)
	default:
		req.Header.Set("Authorization", "Bearer "+c.Webhook.Secret)
	}
	client := &http.Client{Transport: s.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return 0, errors.New("the webhook did not answer")
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, nil
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(body) // to memory
	_ = z.Close()
	return out.Bytes()
}

// wait lets time pass; false if the context ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
