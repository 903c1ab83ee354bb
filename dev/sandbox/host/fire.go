package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// functionPath and workPath are the folders that hold function.json.
const (
	functionPath = "/function"
	workPath     = "/work"
)

// Invocation is one firing of the timer and its answer.
type Invocation struct {
	ID string
	// Form names the variant of the request that was sent.
	Form string
	// Status is 200, or 500 for a failed run.
	Status int
	// Runs and Error come from ReturnValue. The real host does not read the body of
	// a failed invocation; here it is read and checked all the same.
	Runs  []pipeline.Report
	Error string
	Logs  []string
	// Work are the values for the output binding of that name.
	Work     []string
	Duration time.Duration
}

// errTimeout is the cause of a context that ended with the function timeout.
var errTimeout = errors.New("function timeout: the host killed the process")

// Fire waits for the process to answer, posts one invocation and checks the
// answer. A failed run is no error but an Invocation of status 500. An error
// means that there was no answer, or none that the real host would accept; the
// Invocation holds what was seen of it. Invocations may overlap.
func (h *Host) Fire(ctx context.Context) (Invocation, error) {
	send := forms[int(h.fired.Add(1)-1)%len(forms)]
	inv, err := h.invoke(ctx, functionPath, send.name, send.body)
	if err != nil {
		return inv, fmt.Errorf("fire timer (%s): %w", send.name, err)
	}
	return inv, nil
}

// invoke posts one invocation.
func (h *Host) invoke(ctx context.Context, path, form string, body func(now time.Time) string) (Invocation, error) {
	inv := Invocation{ID: guid(), Form: form}
	p, err := h.ready(ctx)
	if err != nil {
		return inv, err
	}
	begun := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, h.cfg.FunctionTimeout, errTimeout)
	defer cancel()
	err = h.post(limited, p, path, body(begun), &inv)
	inv.Duration = time.Since(begun)
	if errors.Is(context.Cause(limited), errTimeout) && err != nil {
		// It takes every other invocation of the process along.
		h.mu.Lock()
		p.timedOut = true
		h.mu.Unlock()
		_ = p.cmd.Process.Kill()
		<-p.exited
		err = errTimeout
	}
	if err != nil {
		return inv, err
	}
	h.note(inv)
	return inv, nil
}

func (h *Host) post(ctx context.Context, p *process, path, body string, inv *Invocation) error {
	// A reader of unknown length makes the request chunked.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+path, io.MultiReader(bytes.NewReader([]byte(body))))
	if err != nil {
		return err
	}
	req.Header.Set("X-Azure-Functions-InvocationId", inv.ID)
	req.Header.Set("X-Azure-Functions-HostVersion", "4.1000.0")
	req.Header.Set("User-Agent", "Azure-Functions-Host/4.1000.0")
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	inv.Status = resp.StatusCode
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return inv.check(resp, answer)
}

// check demands what the real host needs, and what the contract promises beyond.
func (inv *Invocation) check(resp *http.Response, body []byte) error {
	if s := resp.StatusCode; s != http.StatusOK && s != http.StatusInternalServerError {
		return fmt.Errorf("status is %d: the handler promises 200 or 500", s)
	}
	if len(body) == 0 {
		return errors.New("the answer is empty: the host would wait for its timeout")
	}
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return fmt.Errorf("content type is %q: the host reads application/json only", resp.Header.Get("Content-Type"))
	}
	var answer struct{ Outputs, Logs, ReturnValue jsontext.Value }
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("the answer is not a JSON object: %w", err)
	}
	if answer.Outputs.Kind() != '{' || answer.Logs.Kind() != '[' || answer.ReturnValue.Kind() != '{' {
		return errors.New("the answer lacks an object Outputs, a list Logs or an object ReturnValue")
	}
	var value struct {
		Runs  []pipeline.Report `json:"runs"`
		Error string            `json:"error"`
	}
	if err := json.Unmarshal(answer.Logs, &inv.Logs); err != nil {
		return fmt.Errorf("logs are not a list of texts: %w", err)
	}
	if err := json.Unmarshal(answer.ReturnValue, &value); err != nil {
		return fmt.Errorf("decode ReturnValue: %w", err)
	}
	if value.Runs == nil {
		return errors.New("ReturnValue lacks the list of runs")
	}
	var outputs struct {
		Work []string `json:"work"`
	}
	if err := json.Unmarshal(answer.Outputs, &outputs); err != nil {
		return fmt.Errorf("decode Outputs: %w", err)
	}
	for _, text := range outputs.Work {
		if _, err := base64.StdEncoding.DecodeString(text); err == nil {
			return fmt.Errorf("the output %q is valid base64, which the host would decode", text)
		}
	}
	inv.Runs, inv.Error, inv.Work = value.Runs, value.Error, outputs.Work
	return nil
}
