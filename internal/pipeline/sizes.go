package pipeline

const (
	// gatherBytes is how much is gathered at most to fill several batches.
	gatherBytes = 14 << 20
	// defaultBatch is the size of a batch where the sink does not say.
	defaultBatch = 4 << 20
)

// sizes says how large batches are.
type sizes struct {
	sink   Sink
	limits Limits // as they were when the run began
}

// first is the size of a batch as it was when the run began.
func (s sizes) first() int {
	if s.limits.BatchBytes > 0 {
		return s.limits.BatchBytes
	}
	return defaultBatch
}

// batch is the size of a batch as the sink sees it now: it may have learned.
func (s sizes) batch() int {
	if n := s.sink.Limits().BatchBytes; n > 0 {
		return n
	}
	return s.first()
}

// parallel is how many batches are in flight at most.
func (s sizes) parallel() int { return max(s.limits.Parallel, 1) }

// several is the size of as many batches as may be in flight, within what is held in memory.
func (s sizes) several(batch int) int {
	return batch * max(min(s.limits.Parallel, gatherBytes/batch), 1)
}

// fill is the number of leading rows that make a batch.
func (s sizes) fill(rows []Record) int {
	size, most := 0, s.sink.Limits().BatchBytes
	for i, r := range rows {
		size += len(r.Raw) + 1
		if i > 0 && most > 0 && size > most {
			return i
		}
	}
	return len(rows)
}

// batches cuts rows into batches.
func (s sizes) batches(rows []Record) (batches [][]Record) {
	for len(rows) > 0 {
		n := s.fill(rows)
		batches = append(batches, rows[:n])
		rows = rows[n:]
	}
	return batches
}
