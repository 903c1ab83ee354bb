package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host/queue"
)

// FireInto fires the timer, and puts the values of its output binding into a queue of the account.
// The queue's name is that in function/function.json. Without such a binding there, or after a failed
// run, the host drops them.
func (h *Host) FireInto(ctx context.Context, a queue.Account) (Invocation, error) {
	inv, err := h.Fire(ctx)
	if err != nil || inv.Status != http.StatusOK || len(inv.Work) == 0 {
		return inv, err
	}
	name, err := h.binding(functionPath, "queue", "work")
	if err != nil {
		return inv, err
	}
	if name == "" {
		return inv, nil
	}
	if err := (queue.Queue{Account: a, Name: name}).Send(ctx, inv.Work...); err != nil {
		return inv, fmt.Errorf("output binding of the timer: %w", err)
	}
	return inv, nil
}

// Listen is the queue trigger of this instance, until ctx ends with the instance. seen, if not nil,
// is called after each invocation. It fails if the package has no such trigger.
func (h *Host) Listen(ctx context.Context, a queue.Account, s queue.Settings, counts *queue.Counts, seen func(queue.Message, Invocation, error)) error {
	name, err := h.binding(workPath, "queueTrigger", "item")
	if err != nil {
		return err
	}
	if name == "" {
		return errors.New("the package has no queue trigger")
	}
	l := queue.Listener{Queue: queue.Queue{Account: a, Name: name}, Settings: s, Counts: counts, Invoke: func(ctx context.Context, m queue.Message) bool {
		inv, err := h.Work(ctx, m)
		if seen != nil {
			seen(m, inv, err)
		}
		return err == nil && inv.Status == http.StatusOK
	}}
	l.Listen(ctx)
	return nil
}

// Work posts one message, as the queue trigger does.
func (h *Host) Work(ctx context.Context, m queue.Message) (Invocation, error) {
	inv, err := h.invoke(ctx, workPath, "message", func(now time.Time) string { return itemBody(m, now) })
	if err != nil {
		return inv, fmt.Errorf("work on a message: %w", err)
	}
	return inv, nil
}

// itemBody is the whole request: the message is JSON text inside a JSON string, and so is each value
// of Metadata that is no number.
func itemBody(m queue.Message, now time.Time) string {
	body, ok := m.Decoded()
	if !ok {
		body = m.Text // the extension passes on what is not base64
	}
	twice := func(s string) string { return strconv.Quote(strconv.Quote(s)) }
	var more strings.Builder
	var members map[string]jsontext.Value
	if json.Unmarshal([]byte(body), &members) == nil {
		for name, v := range members {
			if k := v.Kind(); k == '"' || k == '0' {
				fmt.Fprintf(&more, ",%q:%s", name, strconv.Quote(string(v)))
			}
		}
	}
	item, _ := jsontext.AppendQuote(nil, body)
	item, _ = jsontext.AppendQuote(nil, item)
	return fmt.Sprintf(`{"Data":{"item":%s},"Metadata":{"DequeueCount":"%d","Id":%s,"PopReceipt":%s,"InsertionTime":%q,"NextVisibleTime":%q,"sys":{"MethodName":"work","UtcNow":%q,"RandGuid":%q}%s}}`,
		item, m.DequeueCount, twice(m.ID), twice(m.Receipt), m.Inserted, now.UTC().Add(10*time.Minute).Format(dotnet), now.UTC().Format(time.RFC3339Nano), guid(), more.String())
}

// binding returns the queueName of a binding in the package; "" if there is none of that name and type.
func (h *Host) binding(function, kind, name string) (string, error) {
	path := filepath.Join(h.cfg.Dir, function, "function.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var file struct {
		Bindings []struct {
			Type  string `json:"type"`
			Name  string `json:"name"`
			Queue string `json:"queueName"`
		} `json:"bindings"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	for _, b := range file.Bindings {
		if b.Type == kind && b.Name == name {
			return b.Queue, nil
		}
	}
	return "", nil
}
