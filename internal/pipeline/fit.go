package pipeline

import (
	"fmt"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// Fitted is what a sink can take of a record: a row, or the reason why there is none.
type Fitted struct {
	Row Record
	// Changes is what was changed to make it fit; "" if Row is the record itself.
	Changes string
	// Reason, if not "", says why the record goes into quarantine instead, and Detail more of it.
	Reason Reason
	Detail string
}

// Fit decides what is sent of a record to a table of the sink. A run and a rehearsal of one
// ask the same question, so that they can't differ.
func Fit(sink Sink, table string, rec Record) Fitted {
	if rec.Flaw != "" {
		return Fitted{Reason: Unreadable, Detail: rec.Flaw}
	}
	f := Fitted{Row: rec}
	if o, ok := sink.(Outlined); !ok || !o.FitsOutline(table, rec.Outline) {
		raw, changes, err := sink.Fit(table, rec.Raw)
		if err != nil {
			return Fitted{Reason: Unfit, Detail: err.Error()}
		}
		if len(changes) > 0 {
			f.Row.Raw, f.Row.Outline, f.Changes = raw, jsonwalk.Outline{}, join(changes)
		}
	}
	if limit := sink.Limits().RecordBytes; limit > 0 && len(f.Row.Raw) > limit {
		f.Reason = Unfit
		f.Detail = fmt.Sprintf("record of %d bytes is larger than the %d that the service accepts", len(f.Row.Raw), limit)
	}
	return f
}

// join lists phrases, and stays short when there are very many.
func join(phrases []string) string {
	const most = 20
	if len(phrases) > most {
		return fmt.Sprintf("%s; and %d more", strings.Join(phrases[:most], "; "), len(phrases)-most)
	}
	return strings.Join(phrases, "; ")
}
