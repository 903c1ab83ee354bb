package transport

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAfter caps the wait that a service asks for, so that sums with it can't overflow.
const maxAfter = 1e6 * time.Second

// RetryAfter reads a Retry-After header: seconds (a fraction is accepted) or an HTTP date, RFC 9110
// section 10.2.3. It returns 0 for an absent, past or unreadable value, and never more than a
// million seconds.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789.+-eE") == "" { // excludes "Inf" and hexadecimal
		s, err := strconv.ParseFloat(v, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) || !(s > 0) {
			return 0
		}
		return time.Duration(min(s, maxAfter.Seconds()) * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(0, t.Sub(now)), maxAfter)
	}
	return 0
}
