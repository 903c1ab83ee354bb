package pythonfn

import "time"

// ReadRow is what an answer of the table service says, for the fuzz test.
func (t *Table) ReadRow(value []byte) (time.Time, error) { return t.read(value) }
