package reports

import (
	"errors"
	"regexp"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format of each object that this program knows.
const version = 1

// Report is a stored report.
type Report = struct {
	ID string
	// Name is what the address named it, ContentType what its sender said about it.
	Name, ContentType string
	Received          time.Time
	Bytes             int64
	Parts             int
	// Forward says that it is to be passed on to a workflow.
	Forward bool
	// Hash identifies its name and bytes; "" if an earlier version stored it.
	Hash string
}

type manifest struct {
	Version     int       `json:"version"`
	ID          string    `json:"id"`
	Name        string    `json:"report"`
	ContentType string    `json:"contentType"`
	Received    time.Time `json:"received"`
	Bytes       int64     `json:"bytes"`
	Parts       int       `json:"parts"`
	Forward     bool      `json:"forward,omitzero"`
	Hash        string    `json:"hash,omitzero"`
}

// EncodeReport returns the object that makes a report valid.
func EncodeReport(r Report) ([]byte, error) {
	return format.Line(manifest{version, r.ID, r.Name, r.ContentType, r.Received.UTC(), r.Bytes, r.Parts, r.Forward, r.Hash})
}

// DecodeReport reads such an object of any version up to the latest.
func DecodeReport(data []byte) (Report, error) {
	var m manifest
	if err := format.JSON(data, version, &m); err != nil {
		return Report{}, err
	}
	if !format.Dated(m.Received) || !isID(m.ID) || m.Parts < 1 || m.Bytes < 1 || m.Hash != "" && !isHash(m.Hash) {
		return Report{}, errors.New("it describes no report")
	}
	return Report{m.ID, m.Name, m.ContentType, m.Received.UTC(), m.Bytes, m.Parts, m.Forward, m.Hash}, nil
}

// Part is a part of a report.
type Part struct {
	ID     string // of the report
	Number int    // counts from 1
	Data   []byte
}

type partHead struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Number  int    `json:"part"`
	SHA256  string `json:"sha256"`
}

// EncodePart returns the object of a part.
func EncodePart(p Part) ([]byte, error) {
	head, err := format.Line(partHead{version, p.ID, p.Number, format.Sum(p.Data)})
	return append(head, p.Data...), err
}

// DecodePart reads such an object of any version up to the latest. The data shares its memory.
func DecodePart(object []byte) (Part, error) {
	var h partHead
	data, err := format.Header(object, version, &h)
	if err != nil {
		return Part{}, err
	}
	if format.Sum(data) != h.SHA256 {
		return Part{}, errors.New("its bytes do not match their checksum")
	}
	return Part{h.ID, h.Number, data}, nil
}

// Seen is when a report was stored.
type Seen struct {
	ID       string
	Received time.Time
	// Delivered says that its rows were delivered; an earlier version did not note that.
	Delivered bool
}

type seen struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"`
	Received time.Time `json:"received"`

	Delivered bool `json:"delivered,omitzero"`
}

// EncodeSeen returns the object that remembers a report.
func EncodeSeen(s Seen) ([]byte, error) {
	return format.Line(seen{version, s.ID, s.Received.UTC(), s.Delivered})
}

// DecodeSeen reads such an object of any version up to the latest.
func DecodeSeen(data []byte) (Seen, error) {
	var s seen
	if err := format.JSON(data, version, &s); err != nil {
		return Seen{}, err
	}
	if !format.Dated(s.Received) {
		return Seen{}, errors.New("it names no valid time")
	}
	return Seen{s.ID, s.Received.UTC(), s.Delivered}, nil
}

var idForm = regexp.MustCompile(`^\d{8}T\d{6}\.\d{9}Z-[0-9a-f]{16}$`)

var hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// isHash protects the names of objects, as isID does.
func isHash(hash string) bool { return hashForm.MatchString(hash) }

// isID protects the names of objects from what an object says.
func isID(id string) bool { return idForm.MatchString(id) }
