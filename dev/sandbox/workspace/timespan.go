package workspace

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/kql"
)

// span is a range of TimeGenerated, both ends included. The zero value has no ends.
type span struct{ from, to time.Time }

func (s span) holds(at time.Time) bool {
	return s.to.IsZero() || (!at.Before(s.from) && !at.After(s.to))
}

// parseSpan reads a range of ISO 8601: start/end, start/duration, duration/end, or a duration
// until now.
func parseSpan(text string, now time.Time) (span, error) {
	wrong := fmt.Errorf("the timespan %q is not an interval of ISO 8601", text)
	a, b, both := strings.Cut(text, "/")
	if !both {
		from, ok := shift(now, a, -1)
		if !ok {
			return span{}, wrong
		}
		return span{from, now}, nil
	}
	from, okFrom := kql.ParseTime(a)
	to, okTo := kql.ParseTime(b)
	switch {
	case okFrom && !okTo:
		to, okTo = shift(from, b, 1)
	case okTo && !okFrom:
		from, okFrom = shift(to, a, -1)
	}
	if !okFrom || !okTo || to.Before(from) {
		return span{}, wrong
	}
	return span{from, to}, nil
}

// shift goes a duration of ISO 8601, such as P1DT12H or PT1.5S, ahead or back.
func shift(at time.Time, text string, sign int) (time.Time, bool) {
	m := regexp.MustCompile(`^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$`).FindStringSubmatch(text)
	if m == nil || strings.HasSuffix(text, "P") || strings.HasSuffix(text, "T") {
		return at, false
	}
	n := make([]int, 7)
	for i := range 6 {
		n[i], _ = strconv.Atoi(m[i+1]) // digits or nothing
	}
	seconds, _ := strconv.ParseFloat("0"+m[7], 64)
	at = at.AddDate(sign*n[0], sign*n[1], sign*(7*n[2]+n[3]))
	length := time.Duration(n[4])*time.Hour + time.Duration(n[5])*time.Minute + time.Duration(seconds*float64(time.Second))
	return at.Add(time.Duration(sign) * length), true
}
