package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// version is the newest format that this program knows.
const version = 1

// errNewer is a format of a newer program.
var errNewer = errors.New("written by a newer version of the connector")

// File is what a checkpoint object holds.
type File struct {
	Stream string
	Tenant string // whose stream it is; "" if an earlier version wrote it
	// Checkpoint is all of it but the tag. Its cursor is JSON text, or empty.
	Checkpoint pipeline.Checkpoint
	Updated    time.Time // when it was saved
	Writer     string    // by which program
}

// head and tail are the JSON object on either side of the cursor.
type head struct {
	Version int    `json:"version"`
	Stream  string `json:"stream"`
}

type tail struct {
	Since   time.Time           `json:"since,omitzero"`
	Through time.Time           `json:"through,omitzero"`
	Audit   pipeline.AuditState `json:"audit,omitzero"`
	Pruned  time.Time           `json:"pruned,omitzero"`
	Warned  time.Time           `json:"warned,omitzero"`
	Tenant  string              `json:"tenant,omitempty"`
	Updated time.Time           `json:"updated"`
	Writer  string              `json:"writer,omitzero"`
}

// spellable is false if a year would have too many digits, or none, in UTC: what
// was read could not be saved again.
func (t *tail) spellable() bool {
	times := append([]time.Time{t.Since, t.Through, t.Pruned, t.Warned, t.Updated, t.Audit.Undated}, t.Audit.Through...)
	for _, d := range slices.Concat(t.Audit.Accepted, t.Audit.Unexplained) {
		times = append(times, d.From, d.To, d.Checked)
	}
	for _, word := range t.Audit.Acknowledged {
		times = append(times, word.From, word.To, word.At)
	}
	return !slices.ContainsFunc(times, func(at time.Time) bool { y := at.UTC().Year(); return y < 1 || y > 9999 })
}

// Encode returns the object for f, in the newest format. It fails if the
// cursor is no JSON text.
func Encode(f File) ([]byte, error) {
	out, err := json.Marshal(head{version, f.Stream})
	if err != nil {
		return nil, err
	}
	c := f.Checkpoint
	if c.Cursor != "" {
		// Spliced in, because an encoder may spell the same JSON another way.
		cursor := jsontext.Value(bytes.TrimSpace([]byte(c.Cursor)))
		if !cursor.IsValid() {
			return nil, fmt.Errorf("cursor is no JSON text: %.100q", c.Cursor)
		}
		out = append(append(out[:len(out)-1], `,"cursor":`...), cursor...)
		out = append(out, '}')
	}
	rest, err := json.Marshal(tail{utc(c.Since), utc(c.Through), auditUTC(c.Audit), utc(c.Pruned), utc(c.Warned), f.Tenant, utc(f.Updated), f.Writer})
	if err != nil {
		return nil, err
	}
	out = append(append(out[:len(out)-1], ','), rest[1:]...)
	return append(out, '\n'), nil
}

// utc spells a time in one way, and keeps the zero time zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func auditUTC(a pipeline.AuditState) pipeline.AuditState {
	out := pipeline.AuditState{AgeSeconds: append([]int64(nil), a.AgeSeconds...), Undated: utc(a.Undated)}
	out.Accepted, out.Unexplained = differencesUTC(a.Accepted), differencesUTC(a.Unexplained)
	for _, word := range a.Acknowledged {
		word.From, word.To, word.At = utc(word.From), utc(word.To), utc(word.At)
		out.Acknowledged = append(out.Acknowledged, word)
	}
	for _, t := range a.Through {
		out.Through = append(out.Through, utc(t))
	}
	return out
}

func differencesUTC(list []pipeline.Difference) (out []pipeline.Difference) {
	for _, d := range list {
		d.From, d.To, d.Checked = utc(d.From), utc(d.To), utc(d.Checked)
		out = append(out, d)
	}
	return out
}

// Decode reads an object of any version up to the newest.
func Decode(data []byte) (File, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return File{}, errors.New("it is empty")
	}
	var v struct {
		Version int `json:"version"`
	}
	switch err := json.Unmarshal(data, &v); {
	case err != nil:
		return File{}, fmt.Errorf("it is cut or no JSON: %w", err)
	case v.Version > version:
		return File{}, fmt.Errorf("%w (format %d, this one knows %d): upgrade this app to at least that version; the checkpoint was left as it is", errNewer, v.Version, version)
	case v.Version < 1:
		return File{}, errors.New("it names no version")
	}
	var file struct {
		head
		Cursor jsontext.Value `json:"cursor"`
		tail
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return File{}, fmt.Errorf("it does not look like one: %w", err)
	}
	if file.Stream == "" {
		return File{}, errors.New("it names no stream")
	}
	if !file.spellable() {
		return File{}, errors.New("it names a moment that can't be written in UTC")
	}
	return File{
		Stream: file.Stream, Tenant: file.Tenant,
		Checkpoint: pipeline.Checkpoint{
			Cursor: pipeline.Cursor(file.Cursor), Since: utc(file.Since), Through: utc(file.Through),
			Audit: auditUTC(file.Audit), Pruned: utc(file.Pruned), Warned: utc(file.Warned),
		},
		Updated: utc(file.Updated), Writer: file.Writer,
	}, nil
}
