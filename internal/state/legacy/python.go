package legacy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// These constants say where the Python function stored its checkpoint.
const (
	pythonTable     = "checkpointTable"
	pythonPartition = "checkpointTime"
	pythonKey       = "001"
)

// CreatedTime returns the event time of the last event that the function read, in
// UTC. If there is no checkpoint, it returns the zero time, or an error if one is
// expected. Errors name the remedy and contain no secrets.
func (a *Account) CreatedTime(ctx context.Context) (time.Time, error) {
	got, err := a.service.NewClient(pythonTable).GetEntity(ctx, pythonPartition, pythonKey, nil)
	switch {
	case absent(err) && a.expected:
		return time.Time{}, fmt.Errorf("%s does not exist: name the account in which the Python function kept its checkpoint, the one in its setting "+
			"AZURE_STORAGE_ACCOUNT_NAME (%s), %s", a.pythonRow(), setting, instead)
	case absent(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, a.fail(ctx, a.pythonRow(), err)
	}
	return a.read(got.Value)
}

// read extracts the time from a row.
func (a *Account) read(value []byte) (time.Time, error) {
	var row struct {
		CreatedTime string `json:"createdTime"`
	}
	if err := json.Unmarshal(value, &row); err != nil || row.CreatedTime == "" {
		return time.Time{}, a.unusable("has no text in createdTime")
	}
	at, ok := parse(row.CreatedTime)
	switch {
	case !ok:
		return time.Time{}, a.unusable(fmt.Sprintf("says %.40q, which is not a time", row.CreatedTime))
	case at.UTC().Year() < 2000: // before the source existed; the year of the zero time can't be stored
		return time.Time{}, a.unusable(fmt.Sprintf("says %.40q, which is before the first events", row.CreatedTime))
	case time.Until(at) > time.Hour:
		return time.Time{}, a.unusable(fmt.Sprintf("says %.40q, which is in the future", row.CreatedTime))
	}
	return at.UTC(), nil
}

// parse reads a time as the function wrote it: in SailPoint's format, or in
// Python's, with microseconds and a Z, or without a zone, in UTC.
func parse(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z0700"} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func (a *Account) unusable(what string) error {
	return fmt.Errorf("%s %s, where the Python function stopped: set %s=off, and INITIAL_LOOKBACK so that it reaches back to that time", a.pythonRow(), what, setting)
}

func (a *Account) pythonRow() string {
	return fmt.Sprintf("row %s/%s of table %s at %s", pythonPartition, pythonKey, pythonTable, a.host)
}
