package sailpoint_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// The total beside the largest page so far may be that of the page. It is believed beside a smaller
// one: otherwise a tenant in which something always happens would be asked without a pause.
func TestTotalOfAPage(t *testing.T) {
	at := time.Now().Add(-10 * time.Minute)
	next := 0
	s := &script{answer: func(n int, _ request, _ http.Header) reply {
		count := 1 // what happened since the last request
		if n == 1 {
			count = 30
		}
		var rows []string
		for range count {
			next++
			rows = append(rows, fmt.Sprintf(`{"id":"%04d","created":%q}`, next, at.Add(time.Duration(next)*time.Second).UTC().Format("2006-01-02T15:04:05.000Z")))
		}
		return reply{body: "[" + strings.Join(rows, ",") + "]", header: map[string]string{"X-Total-Count": strconv.Itoa(count)}}
	}}
	cfg := config(s)
	cfg.Lookback = 30 * time.Minute
	src := sailpoint.NewClient(cfg).Events()
	page, err := src.Fetch(t.Context(), "")
	if err != nil || !page.More || len(page.Records) != 30 {
		t.Fatalf("%d records, more: %v, %v", len(page.Records), page.More, err)
	}
	if page, err = src.Fetch(t.Context(), page.Next); err != nil || page.More || len(page.Records) != 1 {
		t.Errorf("%d records, more: %v, %v", len(page.Records), page.More, err)
	}
}
