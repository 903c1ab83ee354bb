package legacy

import "time"

// ReadRow is what an answer of the table service says, for the fuzz test.
func (a *Account) ReadRow(value []byte) (time.Time, error) { return a.read(value) }
