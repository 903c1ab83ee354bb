package sailpoint

import "time"

// milli is the format that search requires for its bounds: whole milliseconds, the resolution of
// its index.
const milli = "2006-01-02T15:04:05.000Z"

func formatMilli(t time.Time) string { return t.UTC().Format(milli) }

// parseTime reads a time as SailPoint writes it: RFC 3339 with any fraction, an offset without a
// colon, a space instead of the T, or no zone (then UTC).
func parseTime(text []byte) (time.Time, bool) {
	var t time.Time
	if t.UnmarshalText(text) == nil {
		return t.UTC(), true
	}
	for _, layout := range []string{
		"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05",
		"2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
