package functions_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
)

func TestDecodeTimer(t *testing.T) {
	at := func(hour, minute, nanosecond int) time.Time {
		return time.Date(2026, 9, 24, hour, minute, 0, nanosecond, time.UTC)
	}
	for _, tc := range []struct {
		name, body string
		want       functions.Timer
		fails      bool
	}{
		{
			"as the host sends it",
			`{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-09-24T13:08:00.0096035+00:00","Next":"2026-09-24T13:09:00+00:00","LastUpdated":"2026-09-24T13:08:00.0096035+00:00"},"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"function","UtcNow":"2026-09-24T13:09:00.01Z","RandGuid":"x"}}}`,
			functions.Timer{Last: at(13, 8, 9603500), Next: at(13, 9, 0), LastUpdated: at(13, 8, 9603500)},
			false,
		},
		{"camel case", `{"data":{"timer":{"scheduleStatus":{"last":"2026-09-24T13:08:00Z","next":"2026-09-24T13:09:00Z"},"isPastDue":true}}}`, functions.Timer{PastDue: true, Last: at(13, 8, 0), Next: at(13, 9, 0)}, false},
		{"capitals", `{"DATA":{"TIMER":{"ISPASTDUE":true}}}`, functions.Timer{PastDue: true}, false},
		{"another offset", `{"Data":{"timer":{"ScheduleStatus":{"Next":"2026-09-24T15:09:00+02:00"}}}}`, functions.Timer{Next: at(13, 9, 0)}, false},
		{"no offset means UTC", `{"Data":{"timer":{"ScheduleStatus":{"Next":"2026-09-24T13:09:00.0096035"}}}}`, functions.Timer{Next: at(13, 9, 9603500)}, false},
		{"null schedule", `{"Data":{"timer":{"Schedule":{},"ScheduleStatus":null,"IsPastDue":true}},"Metadata":{}}`, functions.Timer{PastDue: true}, false},
		{"year one without offset", `{"Data":{"timer":{"ScheduleStatus":{"Last":"0001-01-01T00:00:00","Next":"2026-09-24T13:09:00Z","LastUpdated":"0001-01-01T00:00:00"}}}}`, functions.Timer{Next: at(13, 9, 0)}, false},
		{"year one with offset", `{"Data":{"timer":{"ScheduleStatus":{"Last":"0001-01-01T00:00:00+00:00","LastUpdated":"0001-01-01T00:00:00-08:00"}}}}`, functions.Timer{}, false},
		{"timer in a string", `{"Data":{"timer":"{\"ScheduleStatus\":null,\"IsPastDue\":true}"}}`, functions.Timer{PastDue: true}, false},
		{"timer in a string in a string", `{"Data":{"timer":"\"{\\\"IsPastDue\\\":true}\""}}`, functions.Timer{PastDue: true}, false},
		{"parts in strings", `{"Data":{"timer":{"ScheduleStatus":"{\"Next\":\"\\\"2026-09-24T13:09:00Z\\\"\"}","IsPastDue":"True"}}}`, functions.Timer{PastDue: true, Next: at(13, 9, 0)}, false},
		{"other binding name", `{"Data":{"tick":{"IsPastDue":true}}}`, functions.Timer{PastDue: true}, false},
		{"name twice", `{"Data":{"timer":{"IsPastDue":false,"isPastDue":true}}}`, functions.Timer{PastDue: true}, false},
		{"retry context and unknown metadata", `{"Data":{"timer":{"IsPastDue":false}},"Metadata":{"RetryContext":{"MaxRetryCount":3,"RetryCount":"1","Exception":{}},"x":[1,"\"2\""]},"More":1}`, functions.Timer{}, false},
		{"manual run", `{"Data":{"timer":{"Schedule":{},"ScheduleStatus":null,"IsPastDue":false}},"Metadata":{"input":"\"\""}}`, functions.Timer{}, false},
		{"two unknown bindings", `{"Data":{"a":{"IsPastDue":true},"b":{}}}`, functions.Timer{}, false},
		{"empty object", `{}`, functions.Timer{}, false},
		{"null", `null`, functions.Timer{}, false},
		{"empty", ``, functions.Timer{}, false},
		{"invalid UTF-8 elsewhere", "{\"Data\":{\"timer\":{\"x\":\"\xff\",\"IsPastDue\":true}}}", functions.Timer{PastDue: true}, false},
		{"garbage", `<html>`, functions.Timer{}, true},
		{"cut", `{"Data":{"timer":{"IsPastDue":true`, functions.Timer{}, true},
		{"Data is a number", `{"Data":1}`, functions.Timer{}, true},
		{"timer is a list", `{"Data":{"timer":[]}}`, functions.Timer{}, true},
		{"odd status keeps the rest", `{"Data":{"timer":{"IsPastDue":true,"ScheduleStatus":7}}}`, functions.Timer{PastDue: true}, true},
		{"odd date keeps the rest", `{"Data":{"timer":{"IsPastDue":true,"ScheduleStatus":{"Last":"soon","Next":"2026-09-24T13:09:00Z"}}}}`, functions.Timer{PastDue: true, Next: at(13, 9, 0)}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := functions.DecodeTimer([]byte(tc.body))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("timer (-want +got):\n%s", diff)
			}
			if (err != nil) != tc.fails {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// FuzzDecodeTimer: whatever arrives, there is an answer; the dates are UTC and
// never of year one; and a second reading gives the same.
func FuzzDecodeTimer(f *testing.F) {
	for _, seed := range []string{
		`{"Data":{"timer":{"ScheduleStatus":{"Last":"2026-09-24T13:08:00.0096035+00:00","Next":"2026-09-24T13:09:00"},"IsPastDue":false}}}`,
		`{"Data":{"timer":"{\"IsPastDue\":\"true\"}"}}`, `{"Data":null}`, `"\"\""`, `{`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := functions.DecodeTimer(body)
		for _, date := range []time.Time{got.Last, got.Next, got.LastUpdated} {
			if !date.IsZero() && (date.Location() != time.UTC || date.Year() <= 1) {
				t.Errorf("date is %v", date)
			}
		}
		again, errAgain := functions.DecodeTimer(body)
		if diff := cmp.Diff(got, again); diff != "" || (err == nil) != (errAgain == nil) {
			t.Errorf("second reading differs (-first +second):\n%s", diff)
		}
	})
}
