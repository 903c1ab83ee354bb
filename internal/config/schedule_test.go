package config_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// cronItem is how an item of a field's list begins: with *, a number or a name.
var cronItem = regexp.MustCompile(`^(\*(/[0-9]+)?|[0-9]+.*|[A-Za-z]{3}.*)$`)

// FuzzSchedule: an NCRONTAB text is taken or refused with a line that names the setting. What is
// taken has six fields of items whose numbers are within the field.
func FuzzSchedule(f *testing.F) {
	for _, text := range []string{
		"0 * * * * *", "30 */5 8-18/2,20 1 JAN-march Mon-Fri", "*/5 * * * *", "00:05:00", "60 * * * * *", "0 0 0 0 * *", "*/0 * * * * *",
		"+1 * * * * *", "-1 * * * * *", "0-99 * * * * *", "1,,2 * * * * *", "0 0 0 1 january- *", "0 0 0 * * 7", "99999999999999999999 * * * * *", "% % % % % %", "*/3000000000 * * * * *", "",
	} {
		f.Add(text)
	}
	limits := [][2]int{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) {
			return // the environment holds none
		}
		s, err := load(with(map[string]string{"POLL_SCHEDULE": text}))
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if strings.Contains(line, "POLL_SCHEDULE") {
					return
				}
			}
			t.Fatalf("%q: %v", text, err)
		}
		fields := strings.Fields(s.PollSchedule)
		if len(fields) != len(limits) {
			t.Fatalf("%q is taken with %d fields", text, len(fields))
		}
		for i, field := range fields {
			for item := range strings.SplitSeq(field, ",") {
				if !cronItem.MatchString(item) {
					t.Errorf("%q is taken with the item %q", text, item)
				}
				span, step, stepped := strings.Cut(item, "/")
				if n, err := strconv.ParseUint(step, 10, 31); stepped && (err != nil || n == 0) {
					t.Errorf("%q is taken with the step %q", text, step)
				}
				for number := range strings.SplitSeq(span, "-") {
					if n, err := strconv.Atoi(number); err == nil && (n < limits[i][0] || n > limits[i][1]) {
						t.Errorf("%q is taken with %d in field %d", text, n, i)
					}
				}
			}
		}
	})
}
