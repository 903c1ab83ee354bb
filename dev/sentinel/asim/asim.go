// Package asim knows how SailPoint's audit actions are expressed in Microsoft's
// Advanced Security Information Model, and generates from that the KQL which
// needs it.
//
// The mapping is sentinel/mapping/asim.csv: one line for each name of SailPoint's
// catalogue of audit events, by the field that the catalogue gives for it
// (action or technicalName), with the schema and its values. An empty eventResult
// means that the event's status decides. The file is edited by hand;
//
//	go generate ./dev/sentinel/asim
//
// writes the rest anew:
//
//	sentinel/asim/SailPointISCAsimMapping.kql     the mapping as a saved function, for the parsers
//	sentinel/asim/SailPoint{ISC,IIQ}Asim.kql      what the parsers of a product have in common; the text is in the folder texts
//	sentinel/asim/transforms/<schema>.kql         transforms of a data collection rule, which fill the native tables
//	sentinel/asim/unifying/<name>.kql             custom unifying functions, by which _Im_<schema> finds the parsers
//
// A transform may not join, and has at most 15,360 characters. So that of
// AuditEvent, which covers most names, tells the types of event and object by words
// in the name ([TypeWords], [ObjectWords]) and lists only the names for which that is not
// what the mapping says. The parsers use the same words for names that the mapping lacks,
// so parsers and transforms agree on every event.
//
// mapping/iiq.csv is the same for audit actions of IdentityIQ, for which there are
// parsers only.
package asim

//go:generate go run ./gen

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Event is a line of the mapping.
type Event struct {
	// Type is SailPoint's, such as AUTH. One of Action and TechnicalName is filled.
	Type, Action, TechnicalName string
	Target
}

// Target is what an event is in the model.
type Target struct {
	Schema        string // Authentication, AuditEvent or UserManagement
	EventType     string
	EventSubType  string
	Result        string // Success, Failure, NA; empty: the event's status decides
	ResultDetails string
	ObjectType    string // AuditEvent only
	LogonProtocol string // Authentication only
}

// Key is the name by which an event is found, in lower case.
func (e Event) Key() string { return strings.ToLower(e.Action + e.TechnicalName) }

var header = []string{"type", "action", "technicalName", "schema", "eventType", "eventSubType", "eventResult", "eventResultDetails", "objectType", "logonProtocol"} //nolint:gochecknoglobals // constant

// Read reads the mapping.
func Read(r io.Reader) ([]Event, error) {
	lines, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	if len(lines) == 0 || strings.Join(lines[0], ",") != strings.Join(header, ",") {
		return nil, errors.New("read mapping: the first line must be " + strings.Join(header, ","))
	}
	events := make([]Event, 0, len(lines)-1)
	targets := map[string]Target{}
	for i, l := range lines[1:] {
		e := Event{l[0], l[1], l[2], Target{l[3], l[4], l[5], l[6], l[7], l[8], l[9]}}
		if (e.Action == "") == (e.TechnicalName == "") {
			return nil, fmt.Errorf("mapping line %d: one of action and technicalName must be filled", i+2)
		}
		if strings.ContainsAny(e.Key(), "|'\"\\") {
			return nil, fmt.Errorf("mapping line %d: the name has a character that the generator can't write", i+2)
		}
		// A name may stand twice, as action and as technical name, but never with two meanings.
		if t, ok := targets[e.Key()]; ok && t != e.Target {
			return nil, fmt.Errorf("mapping line %d: %s has another meaning above", i+2, e.Key())
		}
		targets[e.Key()] = e.Target
		events = append(events, e)
	}
	return events, nil
}

// Action is a line of the mapping of IdentityIQ.
type Action struct{ Name, Schema, EventType, ObjectType, Result string }

const iiqHeader = "action,schema,eventtype,object,result"

// ReadIIQ reads the mapping of IdentityIQ.
func ReadIIQ(r io.Reader) ([]Action, error) {
	lines, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read mapping of IdentityIQ: %w", err)
	}
	if len(lines) == 0 || strings.Join(lines[0], ",") != iiqHeader {
		return nil, errors.New("read mapping of IdentityIQ: the first line must be " + iiqHeader)
	}
	var actions []Action
	for _, l := range lines[1:] {
		actions = append(actions, Action{l[0], l[1], l[2], l[3], l[4]})
	}
	return actions, nil
}

// Load reads both mappings of a checkout.
func Load(root string) ([]Event, []Action, error) {
	isc, err := os.ReadFile(filepath.Join(root, "sentinel", "mapping", "asim.csv"))
	if err != nil {
		return nil, nil, err
	}
	iiq, err := os.ReadFile(filepath.Join(root, "sentinel", "mapping", "iiq.csv"))
	if err != nil {
		return nil, nil, err
	}
	events, err := Read(bytes.NewReader(isc))
	if err != nil {
		return nil, nil, err
	}
	actions, err := ReadIIQ(bytes.NewReader(iiq))
	return events, actions, err
}
