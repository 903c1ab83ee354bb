package content

import (
	"path/filepath"
	"time"
)

// Kinds of analytic rules.
const (
	Scheduled = "Scheduled"
	NRT       = "NRT" // near real time: each minute, on the rows that came in that minute
)

// Rule is an analytic rule. Durations are as in the YAML: 1h, 14d. A rule of the
// kind NRT has neither frequency and period nor trigger.
type Rule struct {
	ID          string `yaml:"id"`
	Name        string `yaml:"name"`
	Version     string `yaml:"version"`
	Kind        string `yaml:"kind"` // Scheduled or NRT
	Description string `yaml:"description"`
	Severity    string `yaml:"severity"` // High, Medium, Low, Informational
	Status      string `yaml:"status"`

	RequiredDataConnectors []RequiredConnector `yaml:"requiredDataConnectors"`

	QueryFrequency   string `yaml:"queryFrequency"`
	QueryPeriod      string `yaml:"queryPeriod"`
	TriggerOperator  string `yaml:"triggerOperator"` // gt
	TriggerThreshold int    `yaml:"triggerThreshold"`

	Tactics            []string `yaml:"tactics"`
	RelevantTechniques []string `yaml:"relevantTechniques"`

	Query string `yaml:"query"`

	EntityMappings        []EntityMapping       `yaml:"entityMappings"`
	CustomDetails         map[string]string     `yaml:"customDetails"` // name shown: column
	AlertDetailsOverride  AlertDetailsOverride  `yaml:"alertDetailsOverride"`
	EventGroupingSettings EventGroupingSettings `yaml:"eventGroupingSettings"`

	File string `yaml:"-"` // name of the file, without folder and extension
}

// RequiredConnector names a connector and those of its tables that a query reads.
type RequiredConnector struct {
	ConnectorID string   `yaml:"connectorId"`
	DataTypes   []string `yaml:"dataTypes"`
}

// EntityMapping makes an entity, such as Account, of columns.
type EntityMapping struct {
	EntityType    string         `yaml:"entityType" json:"entityType"`
	FieldMappings []FieldMapping `yaml:"fieldMappings" json:"fieldMappings"`
}

// FieldMapping fills one identifier of an entity.
type FieldMapping struct {
	Identifier string `yaml:"identifier" json:"identifier"`
	ColumnName string `yaml:"columnName" json:"columnName"`
}

// AlertDetailsOverride makes the alert's title and description. {{Column}} stands for a value.
type AlertDetailsOverride struct {
	AlertDisplayNameFormat string `yaml:"alertDisplayNameFormat" json:"alertDisplayNameFormat"`
	AlertDescriptionFormat string `yaml:"alertDescriptionFormat" json:"alertDescriptionFormat,omitzero"`
}

// EventGroupingSettings says whether each row makes an alert (AlertPerResult)
// or all together one (SingleAlert).
type EventGroupingSettings struct {
	AggregationKind string `yaml:"aggregationKind" json:"aggregationKind"`
}

// Every is how often a rule runs: its frequency, a minute for NRT.
func (r Rule) Every() (time.Duration, error) {
	if r.Kind == NRT {
		return time.Minute, nil
	}
	return Duration(r.QueryFrequency)
}

// GroupingLookback is how long alerts with the same entities join one incident.
const GroupingLookback = 5 * time.Hour

// CreatesIncident tells whether alerts become incidents: what nobody has to act on does not.
func (r Rule) CreatesIncident() bool { return r.Severity == "High" || r.Severity == "Medium" }

// Rules reads the analytic rules of the folder sentinel, sorted by file name.
func Rules(sentinel string) ([]Rule, error) {
	paths, err := files(filepath.Join(sentinel, RulesFolder), ".yaml")
	if err != nil {
		return nil, err
	}
	rules := make([]Rule, 0, len(paths))
	for _, p := range paths {
		var r Rule
		if err := readYAML(p, &r); err != nil {
			return nil, err
		}
		r.File = base(p)
		rules = append(rules, r)
	}
	return rules, nil
}

// Hunt is a hunting query.
type Hunt struct {
	ID                     string              `yaml:"id"`
	Name                   string              `yaml:"name"`
	Description            string              `yaml:"description"`
	Version                string              `yaml:"version"`
	RequiredDataConnectors []RequiredConnector `yaml:"requiredDataConnectors"`
	Tactics                []string            `yaml:"tactics"`
	RelevantTechniques     []string            `yaml:"relevantTechniques"`
	Query                  string              `yaml:"query"`
	EntityMappings         []EntityMapping     `yaml:"entityMappings"`

	File string `yaml:"-"`
}

// Hunts reads the hunting queries of the folder sentinel, sorted by file name.
func Hunts(sentinel string) ([]Hunt, error) {
	paths, err := files(filepath.Join(sentinel, HuntingFolder), ".yaml")
	if err != nil {
		return nil, err
	}
	hunts := make([]Hunt, 0, len(paths))
	for _, p := range paths {
		var h Hunt
		if err := readYAML(p, &h); err != nil {
			return nil, err
		}
		h.File = base(p)
		hunts = append(hunts, h)
	}
	return hunts, nil
}
