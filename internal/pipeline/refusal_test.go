package pipeline_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// refuse makes the sink refuse each batch with one of these records in it.
func (w *world) refuse(is func(id string) bool) {
	w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
		for _, r := range batch {
			if is(r.ID) {
				return false, &pipeline.Rejected{Err: errors.New("InvalidDataFormat")}
			}
		}
		return true, nil
	}
}

func all(string) bool { return true }

// A service that refuses each record of a tenant, however few there are, run after
// run: nothing goes into quarantine and the checkpoint stays, until it takes them.
func TestEverythingRefused(t *testing.T) {
	for _, n := range []int{1, 3, 99, 100, 101, 250} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, n)
				w.refuse(all)
				for range 5 {
					rep := w.run(4 * time.Minute)
					if rep.State != pipeline.Failed || rep.Quarantined != 0 || len(w.kept) != 0 || w.checkpoint.Cursor != "" ||
						!strings.Contains(rep.Error, "configuration error") || !strings.Contains(rep.Error, "InvalidDataFormat") {
						t.Fatalf("%d in quarantine, cursor %q, %+v", len(w.kept), w.checkpoint.Cursor, rep)
					}
				}
				w.onWrite = nil
				check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: int64(n), Sent: int64(n)})
				w.complete()
			})
		})
	}
}

// A record that is at fault, alone on a quiet tenant, waits for the first other
// record that the service takes, whichever of the two comes first.
func TestPoisonWaitsForProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		later := w.records[1:]
		w.records = w.records[:1]
		w.refuse(func(id string) bool { return id == "e00000" })
		for range 3 {
			check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 1})
		}
		w.records = append(w.records, later...)
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 2, Sent: 1, Quarantined: 1})
		w.complete("e00000")
	})
}

// More bad records than may be refused in a row, at the front of a batch, do not end
// each run before the first good one: a hundred of them go with each run.
func TestManyBadRecordsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 400)
		w.pageSize = 400
		var bad []string
		for _, r := range w.records[:250] {
			bad = append(bad, r.ID)
		}
		w.refuse(func(id string) bool { return id < "e00250" })
		for range 3 {
			if rep := w.run(4 * time.Minute); rep.State == pipeline.Drained {
				break
			} else if rep.Quarantined == 0 {
				t.Fatalf("no progress: %+v", rep)
			}
		}
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained})
		w.complete(bad...)
	})
}

// An acknowledgement between them ends a row of refusals: 150 bad records among good
// ones are poison, each by itself.
func TestRefusalsInARowEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 300)
		w.limits.BatchBytes = 1 // one by one
		var bad []string
		for i := 0; i < 300; i += 2 {
			bad = append(bad, w.records[i].ID)
		}
		w.refuse(func(id string) bool { return (id[5]-'0')%2 == 0 })
		check(t, w.run(time.Hour), pipeline.Report{State: pipeline.Drained, Fetched: 300, Sent: 150, Quarantined: 150})
		w.complete(bad...)
	})
}

// What the source forgets goes into the spool, not into quarantine, and comes from
// there. A bad record at its front does not hold up the stream.
func TestRefusedWithSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 6)
		later := w.records[3:]
		w.records = w.records[:3]
		s := &spool{world: w}
		w.spool = s
		w.refuse(all)
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 3, Spooled: 3})
		if rep := w.run(4 * time.Minute); rep.State != pipeline.Failed || rep.Quarantined != 0 || len(s.batches) == 0 {
			t.Errorf("%+v, %d in the spool", rep, len(s.batches))
		}
		w.refuse(func(id string) bool { return id < "e00003" }) // the service works: those are at fault
		if rep := w.run(4 * time.Minute); rep.State != pipeline.Failed || rep.Quarantined != 0 {
			t.Errorf("nothing proves that: %+v", rep)
		}
		w.records = append(w.records, later...)
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 3, Sent: 3, Quarantined: 3})
		if len(s.batches) != 0 {
			t.Errorf("%d batches left in the spool", len(s.batches))
		}
		w.complete("e00000", "e00001", "e00002")
	})
}

// A failure after a refusal leaves both for the next run.
func TestRefusedThenFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.limits.BatchBytes = 1
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			switch batch[0].ID {
			case "e00000":
				return false, &pipeline.Rejected{Err: errors.New("InvalidDataFormat")}
			case "e00001":
				return false, errors.New("permanent")
			}
			return true, nil
		}
		rep := w.run(4 * time.Minute)
		if rep.State != pipeline.Failed || rep.Error != "permanent" || len(w.kept) != 0 || w.checkpoint.Cursor != "" {
			t.Errorf("%+v, kept %v", rep, w.kept)
		}
	})
}

// The proof may come many pages later. Until then the run reads on, and its checkpoint
// stays in front of what is undecided.
func TestProofOfALaterPage(t *testing.T) {
	for name, spooled := range map[string]bool{"without a spool": false, "with a spool": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 40)
				w.pageSize, w.limits.BatchBytes = 1, 1 // each page by itself
				if spooled {
					w.spool = &spool{world: w}
				}
				var bad []string
				for _, r := range w.records[:30] {
					bad = append(bad, r.ID)
				}
				w.refuse(func(id string) bool { return id < "e00030" })
				check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 40, Sent: 10, Quarantined: 30})
				w.complete(bad...)
			})
		})
	}
}

// Records that wait for a proof are bounded by their bytes, too.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		w.pageSize, w.limits.BatchBytes = 1, 1
		for i := range w.records {
			w.records[i].Raw = jsontext.Value(`{"id":"` + strings.Repeat("x", 1<<20) + `"}`)
		}
		w.refuse(func(id string) bool { return id < "e00015" })
		rep := w.run(4 * time.Minute)
		if rep.State != pipeline.Failed || len(w.kept) != 0 || w.checkpoint.Cursor != "" || rep.Fetched > 14 {
			t.Errorf("%+v, kept %d", rep, len(w.kept))
		}
	})
}

// A workspace that refuses everything and is set right in the middle of a run: what it
// refused before is sent once more, and only what it refuses again is at fault.
func TestSetRightInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		w.pageSize = 5
		taken := 0
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			for _, r := range batch {
				if taken++; taken < 9 || r.ID == "e00001" {
					return false, &pipeline.Rejected{Err: errors.New("InvalidDataFormat")}
				}
			}
			return true, nil
		}
		rep := w.run(4 * time.Minute)
		if rep.State != pipeline.Drained || rep.Quarantined != 1 || rep.Sent != 19 {
			t.Errorf("%+v", rep)
		}
		w.complete("e00001")
	})
}

// A service of which one instance refuses what the others take: a good record does not go into
// quarantine because the instance was asked by chance.
func TestOneInstanceRefuses(t *testing.T) {
	for _, instances := range []int{2, 3} {
		t.Run(strconv.Itoa(instances), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 40)
				w.onWrite = func(n int, _ []pipeline.Record) (bool, error) {
					if n%instances > 0 {
						return false, &pipeline.Rejected{Err: errors.New("InvalidDataFormat")}
					}
					return true, nil
				}
				check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 40, Sent: 40})
				w.complete()
			})
		})
	}
}

// What the sink answers to a refused record once it takes others may say nothing about that record,
// such as that the address is wrong: then it is no reason for quarantine.
func TestRefusedThenAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		w.pageSize, w.limits.BatchBytes = 1, 1 // each page by itself
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			switch {
			case batch[0].ID != "e00000":
				return true, nil
			case len(w.delivered) > 0:
				return false, &pipeline.Rejected{Err: errors.New("status 404"), Ambiguous: true}
			}
			return false, &pipeline.Rejected{Err: errors.New("status 400")}
		}
		if rep := w.run(4 * time.Minute); rep.State != pipeline.Failed || len(w.kept) != 0 || w.checkpoint.Cursor != "" {
			t.Errorf("%+v, kept %v, cursor %q", rep, w.kept, w.checkpoint.Cursor)
		}
	})
}
