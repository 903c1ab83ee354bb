package pipeline

// pages is the memory of the pages that queued rows are part of.
type pages struct {
	held     int   // bytes
	last     int   // bytes of the last page
	taken    int64 // of the process's Memory
	releases []func()
	kept     bool // something of them stays, so none is released
}

// hold notes what of a page is still needed, known records of which were delivered before.
func (p *pages) hold(f fetched, known int, memory *Memory) {
	p.taken += f.held
	p.last = f.page.Beside
	for _, r := range f.page.Records {
		p.last += len(r.Raw) + 1
	}
	release := f.page.Release
	switch {
	case known < len(f.page.Records): // one record keeps all of its page in memory
		p.held += p.last
		if release != nil {
			p.releases = append(p.releases, release)
		}
	case release != nil:
		release()
	}
	if p.held == 0 {
		p.forget(memory)
	}
}

// keep says that something of the pages goes where it may be needed longer. What is in
// quarantine or in the spool may still be sent there: the state's client is not bound to let
// go of it when it returns.
func (p *pages) keep() { p.kept = true }

// release gives the pages back once everything in them is delivered.
func (p *pages) release(memory *Memory) {
	if !p.kept {
		for _, release := range p.releases {
			release()
		}
	}
	clear(p.releases)
	p.releases, p.kept, p.held = p.releases[:0], false, 0
	p.forget(memory)
}

// forget gives back what the pages have of the process's memory.
func (p *pages) forget(memory *Memory) {
	memory.give(p.taken)
	p.taken = 0
}
