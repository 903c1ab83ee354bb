package queue

import (
	"fmt"
	"os"
	"time"

	"github.com/go-json-experiment/json"
)

// Settings are extensions.queues of host.json.
type Settings struct {
	// BatchSize is how many messages are taken at once, NewBatchThreshold at how many that are at
	// work the next batch is taken.
	BatchSize, NewBatchThreshold int
	// MaxDequeueCount is how often a message is delivered.
	MaxDequeueCount int
	// Visibility is how long a message is hidden after a failure.
	Visibility time.Duration
	// MaxPolling is the longest pause between two looks at an empty queue.
	MaxPolling time.Duration
	// Hold is how long a message is hidden while it is at work. It is no setting; 0 means the 10
	// minutes of the extension.
	Hold time.Duration
}

// The limits and defaults of the extension.
const (
	maxBatch     = 32
	defaultBatch = 16
	holdFor      = 10 * time.Minute
)

// ReadSettings reads a host.json. It needs an extension bundle: without one the host knows no queue.
func ReadSettings(path string) (Settings, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, err
	}
	var file struct {
		Bundle struct {
			ID      string `json:"id"`
			Version string `json:"version"`
		} `json:"extensionBundle"`
		Extensions struct {
			Queues struct {
				BatchSize   *int   `json:"batchSize"`
				Threshold   *int   `json:"newBatchThreshold"`
				MaxDequeue  *int   `json:"maxDequeueCount"`
				Visibility  string `json:"visibilityTimeout"`
				MaxPolling  string `json:"maxPollingInterval"`
				MessageCode string `json:"messageEncoding"`
			} `json:"queues"`
		} `json:"extensions"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Settings{}, fmt.Errorf("read %s: %w", path, err)
	}
	if file.Bundle.ID == "" || file.Bundle.Version == "" {
		return Settings{}, fmt.Errorf("read %s: without an extensionBundle the binding type queueTrigger is not registered, and the host starts no function that has it", path)
	}
	q := file.Extensions.Queues
	s := Settings{BatchSize: or(q.BatchSize, defaultBatch), MaxDequeueCount: or(q.MaxDequeue, 5), MaxPolling: time.Minute}
	s.NewBatchThreshold = or(q.Threshold, s.BatchSize/2)
	for text, into := range map[*string]*time.Duration{&q.Visibility: &s.Visibility, &q.MaxPolling: &s.MaxPolling} {
		if *text == "" {
			continue
		}
		at, err := time.Parse(time.TimeOnly, *text)
		if err != nil {
			return Settings{}, fmt.Errorf("read %s: %w", path, err)
		}
		*into = at.Sub(at.Truncate(24 * time.Hour))
	}
	switch {
	case s.BatchSize < 1 || s.BatchSize > maxBatch:
		return Settings{}, fmt.Errorf("read %s: batchSize is %d, and the extension accepts 1 to %d", path, s.BatchSize, maxBatch)
	case s.MaxDequeueCount < 1 || s.NewBatchThreshold < 0:
		return Settings{}, fmt.Errorf("read %s: maxDequeueCount is %d and newBatchThreshold %d", path, s.MaxDequeueCount, s.NewBatchThreshold)
	case q.MessageCode != "" && q.MessageCode != "base64":
		return Settings{}, fmt.Errorf("read %s: messageEncoding %q is not played here", path, q.MessageCode)
	}
	return s, nil
}

func or(n *int, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return *n
}
