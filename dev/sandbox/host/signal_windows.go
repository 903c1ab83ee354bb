package host

import "os"

// terminate has no soft form on Windows.
func terminate(p *os.Process) error { return p.Kill() }
