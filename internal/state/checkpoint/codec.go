package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format that this program knows.
const version = 1

// File is what a checkpoint object holds.
type File struct {
	Stream string
	Tenant string // the stream's tenant; "" if an earlier version wrote it
	// Checkpoint is everything except the tag. Its cursor is JSON text, or empty.
	Checkpoint pipeline.Checkpoint
	Updated    time.Time // when it was saved
	Writer     string    // the program that saved it
}

// head and tail are the members of the JSON object before and after the cursor.
type head struct {
	Version int    `json:"version"`
	Stream  string `json:"stream"`
}

type tail struct {
	Since   time.Time `json:"since,omitzero"`
	Through time.Time `json:"through,omitzero"`
	Audit   audit     `json:"audit,omitzero"`
	Pruned  time.Time `json:"pruned,omitzero"`
	Warned  time.Time `json:"warned,omitzero"`
	Tenant  string    `json:"tenant,omitempty"`
	Updated time.Time `json:"updated"`
	Writer  string    `json:"writer,omitzero"`
}

// Encode returns the object for f, in the latest format. It fails if the
// cursor is not JSON text.
func Encode(f File) ([]byte, error) {
	out, err := json.Marshal(head{version, f.Stream})
	if err != nil {
		return nil, err
	}
	c := f.Checkpoint
	if c.Cursor != "" {
		// Insert it unchanged, because an encoder may write the same JSON differently.
		cursor := jsontext.Value(bytes.TrimSpace([]byte(c.Cursor)))
		if !cursor.IsValid() {
			return nil, fmt.Errorf("cursor is not JSON text: %.100q", c.Cursor)
		}
		out = append(append(out[:len(out)-1], `,"cursor":`...), cursor...)
		out = append(out, '}')
	}
	rest, err := json.Marshal(tail{
		Since: format.UTC(c.Since), Through: format.UTC(c.Through), Audit: auditOf(c.Audit), Pruned: format.UTC(c.Pruned), Warned: format.UTC(c.Warned),
		Tenant: f.Tenant, Updated: format.UTC(f.Updated), Writer: f.Writer,
	})
	if err != nil {
		return nil, err
	}
	out = append(append(out[:len(out)-1], ','), rest[1:]...)
	return append(out, '\n'), nil
}

// Decode reads an object of any version up to the latest.
func Decode(data []byte) (File, error) {
	var file struct {
		head
		Cursor jsontext.Value `json:"cursor"`
		tail
	}
	if err := format.JSON(data, version, &file); err != nil {
		return File{}, err
	}
	if file.Stream == "" {
		return File{}, errors.New("it names no stream")
	}
	if !file.writable() {
		return File{}, errors.New("it names a time that can't be written in UTC")
	}
	return File{
		Stream: file.Stream, Tenant: file.Tenant,
		Checkpoint: pipeline.Checkpoint{
			Cursor: pipeline.Cursor(file.Cursor), Since: format.UTC(file.Since), Through: format.UTC(file.Through),
			Audit: file.Audit.read(), Pruned: format.UTC(file.Pruned), Warned: format.UTC(file.Warned),
		},
		Updated: format.UTC(file.Updated), Writer: file.Writer,
	}, nil
}
