package content

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// NoiseFile has, for each rule, what it said in a generated month of an ordinary
// tenant. Package noise measures it.
const NoiseFile = "noise.csv"

// Noise is one rule's line of that file.
type Noise struct {
	Rule        string
	Fingerprint string // of what was measured, see [Rule.Fingerprint]
	Alerts      int    // in thirty ordinary days
	Incidents   int    // made of them
	First       int    // alerts in the fortnight before, when the tenant is new
	Found       int    // planted stories that it claims and finds
	Claimed     int
	Window      int // rows of the period that a run reads
	Read        int // what the filters of the parsers leave of them
}

// columns of the file.
var noiseColumns = []string{"rule", "fingerprint", "alerts", "incidents", "first", "found", "claimed", "window", "read"} //nolint:gochecknoglobals // a constant

// Fingerprint changes with whatever decides how often a rule speaks.
func (r Rule) Fingerprint() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		r.Kind, r.Severity, r.QueryFrequency, r.QueryPeriod, r.Query, r.EventGroupingSettings.AggregationKind, fmt.Sprint(r.EntityMappings),
	}, "\n")))
	return hex.EncodeToString(sum[:6])
}

// ReadNoise reads the file of the folder sentinel, by rule.
func ReadNoise(sentinel string) (map[string]Noise, error) {
	f, err := os.Open(filepath.Join(sentinel, NoiseFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", NoiseFile, err)
	}
	all := map[string]Noise{}
	for _, row := range rows[1:] {
		n := Noise{Rule: row[0], Fingerprint: row[1]}
		for i, to := range []*int{&n.Alerts, &n.Incidents, &n.First, &n.Found, &n.Claimed, &n.Window, &n.Read} {
			if *to, err = strconv.Atoi(row[i+2]); err != nil {
				return nil, fmt.Errorf("read %s, %s: %w", NoiseFile, row[0], err)
			}
		}
		all[n.Rule] = n
	}
	return all, nil
}

// WriteNoise writes the lines in the order given.
func WriteNoise(sentinel string, lines []Noise) error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	rows := [][]string{noiseColumns}
	for _, n := range lines {
		row := []string{n.Rule, n.Fingerprint}
		for _, v := range []int{n.Alerts, n.Incidents, n.First, n.Found, n.Claimed, n.Window, n.Read} {
			row = append(row, strconv.Itoa(v))
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(sentinel, NoiseFile), []byte(b.String()), 0o644) //nolint:gosec // a file of the project
}
