package workspace

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	guidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-?)[0-9A-Fa-f]{4}(-?)[0-9A-Fa-f]{4}(-?)[0-9A-Fa-f]{4}(-?)[0-9A-Fa-f]{12}$`)
	// ISO 8601 with "T"; seconds, fraction and zone may be absent.
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$`)
)

// inferText finds the type that a string looks like, and the form in which it is stored.
func inferText(text string) (suffix, stored string) {
	if m := guidForm.FindStringSubmatch(text); m != nil && m[1] == m[2] && m[2] == m[3] && m[3] == m[4] {
		hex := strings.ReplaceAll(text, "-", "")
		return "_g", strings.Join([]string{hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:]}, "-")
	}
	if at, ok := parseTime(text); ok {
		return "_t", timeText(at)
	}
	return "_s", text
}

func parseTime(text string) (time.Time, bool) {
	if !timeForm.MatchString(text) {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// timeText has ticks of 100 ns, as Kusto has.
func timeText(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999Z") }

func unquote(value jsontext.Value) string {
	text, _ := jsontext.AppendUnquote(nil, value)
	return string(text)
}

func isNumber(text string) bool {
	return jsontext.Value(text).IsValid() && jsontext.Value(text).Kind() == '0'
}

// sameNumber says whether f, printed, is the number that was written. Integers
// above 2^53 count as lost: nobody can tell those that were by luck exact.
func sameNumber(literal string, f float64) bool {
	if len(literal) <= 15 && !strings.ContainsAny(literal, "eE") {
		return true
	}
	if len(literal) > 400 || f > 1e300 || f < -1e300 {
		return false
	}
	sent, ok := new(big.Rat).SetString(literal)
	printed, ok2 := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok || !ok2 || sent.Cmp(printed) != 0 {
		return false
	}
	whole := !strings.ContainsAny(literal, ".eE")
	return !whole || f >= -1<<53 && f <= 1<<53
}
