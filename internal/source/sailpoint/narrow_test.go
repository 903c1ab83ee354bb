package sailpoint_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// undatable is a service whose events, half a second apart, tell no time that can be read, although it
// sorts and counts them by one. It lists every event but each hides-th.
func undatable(begin time.Time, n, hides int) *script {
	return &script{answer: func(_ int, r request, _ http.Header) reply {
		var q struct {
			QueryDSL struct {
				Bool struct {
					Must []struct {
						Range struct {
							Created struct {
								From  time.Time `json:"gte"`
								Until time.Time `json:"lt"`
							} `json:"created"`
						} `json:"range"`
					} `json:"must"`
				} `json:"bool"`
			} `json:"queryDsl"`
		}
		if err := json.Unmarshal([]byte(r.Body), &q); err != nil || len(q.QueryDSL.Bool.Must) == 0 {
			return reply{status: http.StatusBadRequest, body: r.Body}
		}
		within := q.QueryDSL.Bool.Must[0].Range.Created
		var rows []string
		total := 0
		for i := range n {
			at := begin.Add(time.Duration(i) * time.Second / 2)
			if at.Before(within.From) || !at.Before(within.Until) {
				continue
			}
			if total++; hides == 0 || i%hides > 0 {
				rows = append(rows, fmt.Sprintf(`{"id":"%06d","created":"long ago"}`, i))
			}
		}
		header := map[string]string{"X-Total-Count": strconv.Itoa(total)}
		if strings.HasSuffix(r.Path, "/count") {
			return reply{status: http.StatusNoContent, header: header}
		}
		values, _ := url.ParseQuery(r.Query)
		limit, _ := strconv.Atoi(values.Get("limit"))
		offset, _ := strconv.Atoi(values.Get("offset"))
		rows = rows[min(offset, len(rows)):]
		return reply{body: "[" + strings.Join(rows[:min(limit, len(rows))], ",") + "]", header: header}
	}}
}

// More events than search can page through, none of which tells a time, are read in narrower ranges;
// but a range is only left behind if all that is counted in it came.
func TestUndatableEvents(t *testing.T) {
	for name, hides := range map[string]int{"all listed": 0, "some hidden": 5000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pass(4 * time.Hour)
				const n = 25_000
				cfg := config(undatable(time.Now().Add(-n*time.Second/2-time.Minute), n, hides))
				cfg.Lookback, cfg.PageSize = 4*time.Hour, 5000
				src := sailpoint.NewClient(cfg).Events()
				seen := map[string]bool{}
				var after pipeline.Cursor
				for range 50 {
					page, err := src.Fetch(t.Context(), after)
					if err != nil {
						if hides == 0 || !strings.Contains(err.Error(), "can't page through") {
							t.Fatal(err)
						}
						return
					}
					for _, r := range page.Records {
						seen[r.ID] = true
					}
					if after = page.Next; !page.More {
						break
					}
				}
				if hides > 0 || len(seen) != n {
					t.Errorf("%d of %d events came, up to %s", len(seen), n, after)
				}
			})
		})
	}
}
