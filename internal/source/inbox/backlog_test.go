package inbox_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/inbox"
)

// pile is a box of many small objects that counts how often it is listed.
type pile struct {
	objects int
	lists   int
}

func (p *pile) List(_ context.Context, after string) iter.Seq2[inbox.Object, error] {
	p.lists++
	return func(yield func(inbox.Object, error) bool) {
		for i := range p.objects {
			name := fmt.Sprintf("%06d", i)
			if name > after && !yield(inbox.Object{Name: name, Size: 300}, nil) {
				return
			}
		}
	}
}

func (p *pile) Read(_ context.Context, name string) ([]pipeline.Record, error) {
	return []pipeline.Record{record(name)}, nil
}

func (p *pile) Delete(context.Context, string) error { return nil }
func (p *pile) Unreadable(error) bool                { return false }

// A backlog is listed a few times, not once for each page, and read in pages of bounded size.
func TestBacklog(t *testing.T) {
	p := &pile{objects: 20_000}
	src := inbox.New(pipeline.Stream{ID: "Pushed"}, p)
	seen, pages := 0, 0
	for after, more := pipeline.Cursor(""), true; more; pages++ {
		page, err := src.Fetch(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Records) > 128 {
			t.Fatalf("a page has %d records", len(page.Records))
		}
		for i, rec := range page.Records {
			if want := fmt.Sprintf("%06d", seen+i); rec.ID != want {
				t.Fatalf("record %s, want %s", rec.ID, want)
			}
		}
		seen += len(page.Records)
		after, more = page.Next, page.More
	}
	if seen != p.objects || p.lists > 6 {
		t.Errorf("%d of %d objects in %d pages, and %d listings", seen, p.objects, pages, p.lists)
	}
}
