package sim

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// What a workspace acknowledges and does not keep, and READ_BACK, which asks it a day later.

// readBackAfter is when the first day of a stream is read back: a day that is a day old.
const readBackAfter = 50 * time.Hour

// loses decides whether the workspace loses the row that it takes as the n-th of a table. The
// caller holds the lock.
func (w *world) loses(key string) {
	n := w.taken
	w.taken++
	known := w.seen.rows[key]
	if w.plan.readBack == "" || known == nil {
		return
	}
	known.lacking = known.lost && known.present == 0
	plain := known.id != "" && known.flaw == sound && !known.poison && !known.created.IsZero() && known.wanted
	if plain && !known.lost && len(known.deliveries) == 0 && w.dice.chance("lost/"+key, 0, 0.02) {
		known.lost = true
		w.lostRows[n] = true
		w.count[LostRow]++
		return
	}
	known.present++
}

// ask makes the settings of a connector that reads back.
func (w *world) ask(s *config.Connection) {
	if w.reading {
		s.ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Daily: w.plan.readBack}
	}
}

// readBack lets time pass until the events of the play are read back, and demands that what the
// workspace has lost comes again, or is reported.
func (g *game) readBack() {
	w := g.w
	if w.plan.readBack == "" || w.failed() || w.budget < time.Minute { // it takes longer than the shortest run
		return
	}
	sleep(time.Until(w.plan.start.Add(readBackAfter)))
	w.mu.Lock()
	w.reading = true
	w.count[ReadBack]++
	lost, stored := w.lost(), w.seen.stored
	w.mu.Unlock()
	g.main = w.start()
	var said []string
	for range 4 {
		for _, rep := range g.tickQuietly("when the workspace is read back", pipeline.Drained) {
			said = append(said, rep.Warnings...)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	lacks := func(text string) bool { return strings.Contains(text, "the workspace lack") }
	i := slices.IndexFunc(said, lacks)
	if i < 0 {
		w.checkThat(len(lost) == 0, "the workspace has lost %d rows, and no read-back reports it: %q", len(lost), said)
		return
	}
	n := 0
	_, numbers, _ := strings.Cut(said[i], "the workspace ")
	_, err := fmt.Sscanf(numbers, "lacks %d", &n)
	if w.plan.readBack == config.RepairReadBack {
		_, err = fmt.Sscanf(numbers, "lacked %d", &n)
		left := w.lost()
		w.checkThat(len(left) == 0, "the workspace has lost %d rows, and they do not come again: %q", len(left), left)
	} else {
		w.checkThat(w.seen.stored == stored, "%d rows are delivered by a read-back that only reports", w.seen.stored-stored)
	}
	w.checkThat(err == nil && n >= len(lost), "the workspace has lost %d rows, and %q reports others: %v", len(lost), said[i], err)
}

// lost are the rows that the workspace had and has not. The caller holds the lock.
func (w *world) lost() (keys []string) {
	for _, key := range sortedKeys(w.seen.rows) {
		if known := w.seen.rows[key]; known.lost && known.present == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}
