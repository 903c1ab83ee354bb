package host

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"time"
)

// form is one of the ways in which the host writes the timer.
type form struct {
	name string
	// timer is the value of Data.timer for a firing that is due at the minute.
	timer func(due time.Time) string
	// more is appended to Metadata.
	more string
}

const (
	dotnet     = "2006-01-02T15:04:05.0000000-07:00" // seven digits, numeric offset
	noFraction = "2006-01-02T15:04:05-07:00"
)

// forms are sent in turn.
//
//nolint:gochecknoglobals // a fixed list
var forms = []form{
	{"monitored schedule", func(due time.Time) string {
		last := due.Add(-time.Minute + 9603500*time.Nanosecond).Format(dotnet)
		return status(last, due.Format(noFraction), last, false)
	}, ""},
	{"null schedule status", func(time.Time) string {
		return `{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}`
	}, ""},
	{"first run, year 1 without offset", func(due time.Time) string {
		return status("0001-01-01T00:00:00", due.Format(noFraction), "0001-01-01T00:00:00", false)
	}, ""},
	{"first run, year 1 with offset", func(due time.Time) string {
		return status("0001-01-01T00:00:00+00:00", due.Format(dotnet), "0001-01-01T00:00:00+00:00", false)
	}, ""},
	{"past due", func(due time.Time) string {
		last := due.Add(-26 * time.Hour).Format(dotnet)
		return status(last, due.Add(-26*time.Hour+time.Minute).Format(noFraction), last, true)
	}, ""},
	{"timer in a string", func(due time.Time) string {
		return strconv.Quote(status(due.Format("2006-01-02T15:04:05.0000000"), due.Format(noFraction), due.Format(dotnet), false))
	}, `,"attempt":"1","note":"\"hello\""`},
	{"retry", func(due time.Time) string {
		last := due.Format(dotnet)
		return status(last, last, last, false)
	}, `,"RetryContext":{"MaxRetryCount":3,"RetryCount":1,"Exception":{}}`},
}

func status(last, next, updated string, pastDue bool) string {
	return fmt.Sprintf(`{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":%q,"Next":%q,"LastUpdated":%q},"IsPastDue":%t}`,
		last, next, updated, pastDue)
}

// body is the whole request.
func (f form) body(now time.Time) string {
	now = now.UTC()
	return fmt.Sprintf(`{"Data":{"timer":%s},"Metadata":{"sys":{"MethodName":"function","UtcNow":%q,"RandGuid":%q}%s}}`,
		f.timer(now.Truncate(time.Minute)), now.Format(time.RFC3339Nano), guid(), f.more)
}

// guid is a random one, in the form of .NET.
func guid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
