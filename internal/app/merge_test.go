package app_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Every number of a report is either a sum over the runs, or describes the stream after the
// last one. A new field has to be one of both.
func TestMergeHasEveryNumber(t *testing.T) {
	latest := map[string]bool{"LagSeconds": true, "Unexplained": true}
	first, later := []pipeline.Report{{}}, []pipeline.Report{{}}
	numbers := func(r *pipeline.Report, do func(name string, v reflect.Value)) {
		v := reflect.ValueOf(r).Elem()
		for i := range v.NumField() {
			if f := v.Field(i); f.CanInt() || f.CanUint() || f.CanFloat() {
				do(v.Type().Field(i).Name, f)
			}
		}
	}
	set := func(n int64) func(string, reflect.Value) {
		return func(_ string, v reflect.Value) { v.Set(reflect.ValueOf(n).Convert(v.Type())) }
	}
	numbers(&first[0], set(40))
	numbers(&later[0], set(2))
	app.Merge(first, later)
	seen := 0
	numbers(&first[0], func(name string, v reflect.Value) {
		want := int64(42)
		if latest[name] {
			want = 2
		}
		if got := v.Convert(reflect.TypeFor[int64]()).Int(); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
		seen++
	})
	if seen < 14 {
		t.Errorf("only %d numbers", seen)
	}
}

// A failure remains, and so does how far the stream is audited if a later run did not audit.
func TestMergeKeepsWhatALaterRunDoesNotKnow(t *testing.T) {
	boom, noon := errors.New("boom"), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct{ before, later, want pipeline.Report }{
		"a failure": {
			pipeline.Report{State: pipeline.Failed, Err: boom, Error: "boom", Warnings: []string{"a"}},
			pipeline.Report{State: pipeline.Drained, Warnings: []string{"a", "b"}},
			pipeline.Report{State: pipeline.Failed, Err: boom, Error: "boom", Warnings: []string{"a", "b"}},
		},
		"an audit before a locked run": {
			pipeline.Report{State: pipeline.Drained, AuditedThrough: noon},
			pipeline.Report{State: pipeline.Locked},
			pipeline.Report{State: pipeline.Locked, AuditedThrough: noon},
		},
		"an audit after an audit": {
			pipeline.Report{State: pipeline.Drained, AuditedThrough: noon},
			pipeline.Report{State: pipeline.Drained, AuditedThrough: noon.Add(time.Minute)},
			pipeline.Report{State: pipeline.Drained, AuditedThrough: noon.Add(time.Minute)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := []pipeline.Report{tc.before}
			app.Merge(got, []pipeline.Report{tc.later})
			same := cmp.Comparer(errors.Is)
			if diff := cmp.Diff(tc.want, got[0], same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
