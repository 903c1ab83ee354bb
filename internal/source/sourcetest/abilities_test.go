package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// letters is a source that reads windows and can't count them, and drops what is acknowledged.
type letters struct {
	all  []pipeline.Record
	gone *int // how many are dropped
}

func (l letters) Stream() pipeline.Stream { return pipeline.Stream{ID: "letters", Table: "Letters"} }

func (l letters) Fetch(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return page(l.all, max(place(after), *l.gone)), nil
}

func (l letters) FetchWindow(_ context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	in := slices.DeleteFunc(slices.Clone(l.all), func(r pipeline.Record) bool { return r.Time.Before(from) || !r.Time.Before(to) })
	return page(in, place(after)), nil
}

func (l letters) Ack(_ context.Context, through pipeline.Cursor) error {
	*l.gone = max(*l.gone, place(through))
	return nil
}

func place(c pipeline.Cursor) int {
	n, _ := strconv.Atoi(string(c)) // the empty one is 0
	return n
}

func page(of []pipeline.Record, from int) pipeline.Page {
	to := min(from+3, len(of))
	return pipeline.Page{Records: of[from:to], Next: pipeline.Cursor(strconv.Itoa(to)), More: to < len(of)}
}

// The tests of what a source may be able to do besides, over one that can.
func TestAbilities(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *World){
		"windows": windowsHoldTheStream, "ack": ackMayBeRepeated,
	} {
		t.Run(name, func(t *testing.T) {
			src := letters{gone: new(int)}
			w := &World{Want: map[string][]byte{}, Open: func() pipeline.Source { return src }}
			for i := range 20 {
				id := fmt.Sprintf("letter-%d", i)
				raw := jsontext.Value(`{"id":"` + id + `"}`)
				src.all = append(src.all, pipeline.Record{ID: id, Raw: raw, Time: time.Date(2026, 9, 1, 0, i, 0, 0, time.UTC)})
				w.Want[id] = raw
			}
			test(t, w)
			if t.Skipped() {
				t.Error("the source can do it")
			}
		})
	}
}
