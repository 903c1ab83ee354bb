package main

import "slices"

// Mutant is one defect: in File, Old becomes New. Old occurs there once.
type Mutant struct {
	// Breaks says in a few words what no longer holds.
	Breaks string
	File   string
	Old    string
	New    string
	// Tests are the packages whose tests should notice. Empty means that of the file.
	Tests []string
	// Sim is how many seeds of the simulation are played should they not.
	Sim int
	// Survives argues why no test can notice, for a defect that makes no difference. "" for
	// all others.
	Survives string
}

// mutants are defects of the way from the source to the sink that somebody could make.
func mutants() []Mutant {
	return slices.Concat(pipelineMutants(), storeMutants(), edgeMutants(), reportMutants(), forwardMutants(), pushMutants(), statusMutants(), secretMutants(), iiqMutants(), oktaMutants(), fanoutMutants())
}

const (
	pipelineDir = "internal/pipeline/"
	sailpoint   = "internal/source/sailpoint/"
	collector   = "internal/sink/datacollector/"
	ingestion   = "internal/sink/logsingestion/"
	readback    = "internal/sink/readback/"
	azblob      = "internal/state/azblob/"
	tabular     = "internal/lib/tabular/"
	reports     = "internal/state/reports/"
	saas        = "internal/source/saas/"
	file        = "internal/state/file/"
)

func pipelineMutants() []Mutant {
	return []Mutant{
		{Breaks: "refusals in a row go on counting after an acknowledgement", File: pipelineDir + "write.go", Old: "\t\td.refusals.inRow = 0\n", New: ""},
		{Breaks: "a spool that could not take a batch is no failure", File: pipelineDir + "spool.go", Old: "case s.spoolErr != nil:", New: "case false:"},
		{Breaks: "a run that was asked to stop spools", File: pipelineDir + "write.go", Old: "if err == nil || stopped || ledgerErr != nil {", New: "if _ = stopped; err == nil || ledgerErr != nil {"},
		{Breaks: "a ledger that fails is taken for a sink that is down", File: pipelineDir + "write.go", Old: "if err == nil || stopped || ledgerErr != nil {", New: "if err == nil || stopped {"},
		{Breaks: "the end of the run cuts the spool", File: pipelineDir + "spool.go", Old: "\tput, cancel := d.pace.detached(ctx)\n", New: "\tput, cancel := context.WithCancel(ctx)\n"},
		{Breaks: "what is spooled is not remembered", File: pipelineDir + "spool.go", Old: "return d.remember(context.WithoutCancel(ctx), batch)", New: "return nil"},
		{Breaks: "a sink that is down is no failure", File: pipelineDir + "spool.go", Old: "case s.sinkErr != nil:", New: "case false:"},
		{Breaks: "a failure to keep originals is dropped", File: pipelineDir + "delivery.go", Old: "if err := d.keepOriginals(ctx); err != nil {\n\t\treturn err\n\t}", New: "_ = d.keepOriginals(ctx)"},
		{Breaks: "rows are sent before the state has proved that it can be written", File: pipelineDir + "delivery.go", Old: "if err := d.prove(ctx, d.rows); err != nil {\n\t\treturn err\n\t}", New: "_ = d.prove"},
		{Breaks: "rows that are in quarantine instead are not remembered", File: pipelineDir + "delivery.go", Old: "if err := d.remember(ctx, d.quarantined); err != nil {\n\t\treturn err\n\t}", New: ""},
		{Breaks: "a failed delivery moves the checkpoint", File: pipelineDir + "delivery.go", Old: "if err := d.sendRows(ctx); err != nil {\n\t\treturn err\n\t}", New: "_ = d.sendRows(ctx)"},
		{Breaks: "the checkpoint moves past pending refusals", File: pipelineDir + "run.go", Old: "if len(t.delivery.refusals.pending) > 0 { // the checkpoint stays before them", New: "if false {"},
		{Breaks: "the checkpoint is not moved", File: pipelineDir + "run.go", Old: "\tif err := t.saveCheckpoint(ctx); err != nil {\n\t\treturn err\n\t}\n\tt.dirty = false", New: "\tt.dirty = false"},
		{Breaks: "a refused batch is not delivered in halves", File: pipelineDir + "write.go", Old: "mid := len(batch) / 2", New: "mid := len(batch) - 1"},
		{Breaks: "the end of the run cuts the ledger's commit", File: pipelineDir + "session.go", Old: "\tctx, cancel := s.pace.detached(ctx)\n\tdefer cancel()\n\tsaved, err", New: "\tvar cancel context.CancelFunc = func() {}\n\tdefer cancel()\n\tsaved, err"},
		{Breaks: "one failed delivery lets the next batches be begun", File: pipelineDir + "write.go", Old: "failed, pending = err, nil", New: "failed = err"},
		{Breaks: "a spool is not drained", File: pipelineDir + "run.go", Old: "\tif err := d.spool.drain(ctx); err != nil {\n\t\treturn t.outcome(ctx, err)\n\t}\n", New: ""},
		{Breaks: "what could not be committed is not committed by the next run", File: pipelineDir + "run.go", Old: "\tif err := d.recommit(ctx); err != nil {\n\t\treturn t.outcome(ctx, err)\n\t}\n", New: ""},
		{Breaks: "a clock that is off lets the run audit and prune", File: pipelineDir + "run.go", Old: "if off := t.clockOff(); off != nil {", New: "if off := t.clockOff(); false {"},
		{Breaks: "through moves by a clock that is off", File: pipelineDir + "run.go", Old: "if t.clockOff() == nil {", New: "if true {"},
		{Breaks: "a checkpoint in the future is no failure", File: pipelineDir + "run.go", Old: "case ahead != nil:", New: "case false && ahead != nil:"},
		{Breaks: "undecided refusals of an audit are no failure", File: pipelineDir + "run.go", Old: "case a.undecided != nil:", New: "case false:"},
		{Breaks: "a listing that contradicts its count is no failure", File: pipelineDir + "run.go", Old: "case t.incomplete != nil:", New: "case false && t.incomplete != nil:"},
		{Breaks: "pages of a source that does not advance are read for ever", File: pipelineDir + "reader.go", Old: "if page.More && page.Next == after && len(page.Records) == 0 {", New: "if false {"},
		{Breaks: "the last page counts as one with more to come", File: pipelineDir + "reader.go", Old: "after, more = page.Next, page.More", New: "after, more = page.Next, true", Survives: "the run ends at the last page all the same; what is fetched ahead is dropped"},
		{Breaks: "known records are sent again", File: pipelineDir + "delivery.go", Old: "case !fresh[i]:", New: "case false && !fresh[i]:"},
		{Breaks: "a source does not hear of a commit", File: pipelineDir + "run.go", Old: "\tt.dirty = false\n\tt.ack(ctx)\n", New: "\tt.dirty = false\n"},
		{Breaks: "an acknowledgement that a crash left out is not made up for", File: pipelineDir + "run.go", Old: "\tt.ack(ctx) // the last run", New: "\t// the last run"},
		{Breaks: "an acknowledgement that fails is no failure", File: pipelineDir + "run.go", Old: "case t.ackErr != nil:", New: "case false:"},
		{Breaks: "an audit by reading passes over what it could not read", File: pipelineDir + "audit_reading.go", Old: "!through[i].Before(piece.from) && ", New: ""},
		{Breaks: "an audit by reading counts as done before it is", File: pipelineDir + "audit_reading.go", Old: "through[i] = piece.to", New: "through[i] = s.to"},
		{Breaks: "a record whose bytes are no row is sent", File: pipelineDir + "fit.go", Old: "if rec.Flaw != \"\" {", New: "if false {"},
		{Breaks: "refusals count as poison without proof", File: pipelineDir + "refusal.go", Old: "return r.expected || r.d.report.Batches > 0", New: "return true"},
		{Breaks: "what was refused before the proof is not sent once more", File: pipelineDir + "refusal.go", Old: "if err := r.retry(ctx, r.pending[0]); err != nil {", New: "if _ = r.retry; r.quarantine(ctx, r.pending[0]) != nil {\n\t\t\terr := ctx.Err()"},
		{Breaks: "a record that one instance refuses goes into quarantine", File: pipelineDir + "refusal.go", Old: "for range again {", New: "for range 0 * again {"},
		{Breaks: "a list that was never read as a whole has no lag", File: pipelineDir + "session.go", Old: "return s.Lookback.Seconds()", New: "return 0"},
		{Breaks: "through goes back", File: pipelineDir + "future.go", Old: "\treturn saved\n}", New: "\treturn page\n}"},
		{Breaks: "the ledger is pruned where the tail has yet to pass", File: pipelineDir + "prune.go", Old: "limit.Before(before)", New: "false && limit.Before(before)"},
		{Breaks: "the ledger is pruned of what the source still repeats", File: pipelineDir + "prune.go", Old: "if !t.delivery.oldest.IsZero() && t.delivery.oldest.Before(before) {", New: "if false {"},
		{Breaks: "the audit begins one window early at the border of LEDGER_KEEP", File: pipelineDir + "audit.go", Old: "start = now.Add(-policy.Keep).Truncate(policy.Window).Add(policy.Window)", New: "start = now.Add(-policy.Keep).Truncate(policy.Window)"},
		{Breaks: "the audit leaves out the period before", File: pipelineDir + "audit.go", Old: "if from = from.Add(-a.AuditPolicy.Ages[0]).Truncate(a.AuditPolicy.Window); from.Before(start) {", New: "if from.Before(start) {", Sim: 300},
		{Breaks: "an audit that ran out of time forgets what it has read again", File: pipelineDir + "audit.go", Old: "if a.report.Mismatches > 0 { // what was found out need not be found out again", New: "if false {"},
		{Breaks: "what was read waits for a source that hangs", File: pipelineDir + "run.go", Old: "\t\tif t.dirty {\n\t\t\tmoment", New: "\t\tif !t.dirty {\n\t\t\tmoment"},
		{Breaks: "a stream without a checkpoint skips what its ledger shows to be a pause", File: "internal/app/resume.go", Old: "if !last.IsZero() && last.Before(", New: "if last.IsZero() && last.Before(", Tests: []string{"./internal/app", "-run", "TestCheckpointIsGone"}},
		{Breaks: "a mark of the read-back that is ahead is believed", File: "internal/app/scheduled.go", Old: "case m.Through.After(time.Now()):", New: "case m.Through.IsZero():", Tests: []string{"./internal/app", "-run", "TestReadBackMark"}},
		{Breaks: "one answer that is dated ahead keeps all others", File: "internal/app/answers.go", Old: "-owedAfter < age && age < owedAfter", New: "age < owedAfter", Tests: []string{"./internal/app", "-run", "TestAnswersOutlive"}},
		{Breaks: "audits that never come to an end are silent", File: pipelineDir + "audit.go", Old: "\t\ta.warnOfNoEnd()\n\t\tif a.report", New: "\t\tif a.report"},
		{Breaks: "audits of other ages count as those of these", File: pipelineDir + "audit.go", Old: "if len(saved.AgeSeconds) != len(saved.Through) {", New: "if len(saved.Through) > 0 {"},
		{Breaks: "an audit of younger windows counts for older ones", File: pipelineDir + "audit.go", Old: "if age >= int64(a.AuditPolicy.Ages[i]/time.Second) &&", New: "if age > 0 &&", Sim: 300},
		{Breaks: "a lock that is held for ever is no failure", File: pipelineDir + "locked.go", Old: "held > s.Longest", New: "false && held > s.Longest"},
		{Breaks: "an audit counts as done although a refusal is undecided", File: pipelineDir + "audit.go", Old: "\tif a.undecided != nil { // to be looked at again by the next run\n\t\treturn a.saveCheckpoint(ctx)\n\t}\n", New: ""},
		{Breaks: "a refusal without proof is in the spool and stays pending", File: pipelineDir + "spool.go", Old: "func(r refusal) bool { return open[r.row.ID] })", New: "func(refusal) bool { return false })"},
		{Breaks: "an address that is wrong counts as a record that is at fault", File: pipelineDir + "refusal.go", Old: "!errors.As(err, &rejected) || rejected.Ambiguous:\n\t\t\treturn err", New: "!errors.As(err, &rejected):\n\t\t\treturn err"},
		{Breaks: "the ledger is pruned although it is unknown what a backfill needs", File: pipelineDir + "prune.go", Old: "\"error\", err.Error())\n\t\t\treturn nil", New: "\"error\", err.Error())"},
		{Breaks: "the lock is released with a context that has ended", File: pipelineDir + "session.go", Old: "ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)\n\t\tdefer cancel()\n\t\tif err := release", New: "ctx, cancel := context.WithTimeout(ctx, commitTimeout)\n\t\tdefer cancel()\n\t\tif err := release"},
		{Breaks: "a resend without room for the deletion sends", File: pipelineDir + "resend.go", Old: "if err := s.proveChunk(ctx); err != nil {\n\t\treturn err\n\t}", New: "_ = s.proveChunk"},
	}
}

func storeMutants() []Mutant {
	return []Mutant{
		{Breaks: "a claimed record is fresh again in the same run", File: "internal/state/ledger/ledger.go", Old: "fresh[it.index] = !w.ids.has(&it.hash) && l.claimed.add(&it.hash)", New: "fresh[it.index] = !w.ids.has(&it.hash)\n\t\t\tl.claimed.add(&it.hash)"},
		{Breaks: "the ledger knows nothing of earlier runs", File: "internal/state/ledger/ledger.go", Old: "fresh[it.index] = !w.ids.has(&it.hash) && l.claimed.add(&it.hash)", New: "fresh[it.index] = l.claimed.add(&it.hash)"},
		{Breaks: "claims of a failed call stay", File: "internal/state/ledger/ledger.go", Old: "\t\t\t\tl.claimed.remove(&l.work[i].hash)\n\t\t\t}\n\t\t}\n\t\treturn nil, fmt", New: "\t\t\t}\n\t\t}\n\t\treturn nil, fmt"},
		{Breaks: "a window before 1970 is another one", File: "internal/state/ledger/ledger.go", Old: "\tif r < 0 {\n\t\tr += width\n\t}\n", New: ""},
		{Breaks: "what is delivered beside another run is not recorded", File: "internal/state/ledger/ledger.go", Old: "err = l.add(ctx, now, wr.items); err == nil", New: "err == nil"},
		{Breaks: "the ids of a window are not in order", File: "internal/state/ledger/ledger.go", Old: "slices.SortFunc(l.hashes, hash.compare)", New: "_ = hash.compare"},
		{Breaks: "a commit takes the hash of another claim", File: "internal/state/ledger/claims.go", Old: "if l.recent[at].id == id {", New: "if l.recent[at].id != \"\" {"},
		{Breaks: "a newer checkpoint is read as one of today", File: "internal/state/checkpoint/codec.go", Old: "version = 1\n", New: "version = 2\n"},
		{Breaks: "a checkpoint forgets how far it reached", File: "internal/state/checkpoint/codec.go", Old: "Through: format.UTC(c.Through)", New: "Through: format.UTC(c.Since)"},
		{Breaks: "a damaged spool object is delivered", File: "internal/state/format/records/records.go", Old: "format.Sum(body) != h.SHA256", New: "format.Sum(body) == \"\"", Tests: []string{"./internal/state/spool", "./internal/state/quarantine"}},
		{Breaks: "a batch leaves the spool although it was not delivered", File: "internal/state/spool/spool.go", Old: "if err := write(ctx, batch); err != nil {\n\t\t\t\treturn err\n\t\t\t}", New: "_ = write(ctx, batch)"},
		{Breaks: "a spooled batch replaces another", File: "internal/state/spool/spool.go", Old: "next = n + 1", New: "next = n"},
		{Breaks: "a spool that can't be removed from is drained", File: "internal/state/spool/spool.go", Old: "if !proven {", New: "if !proven && false {"},
		{Breaks: "a damaged original is left", File: "internal/state/quarantine/quarantine.go", Old: "prev = o.ETag // damaged: this one is better", New: "return nil"},
		{Breaks: "an original is replaced by another one", File: "internal/state/quarantine/quarantine.go", Old: "\tprev := state.Absent\n\tfor {", New: "\tprev := state.Any\n\tfor {"},
		{Breaks: "the note of a lock lives on", File: "internal/state/streamlock/streamlock.go", Old: "\t\tl.tidy(held, stream)\n", New: ""},
		{Breaks: "progress of the holder does not count", File: "internal/state/streamlock/note.go", Old: "last.Progress == progress &&", New: ""},
		{Breaks: "a folder's versions are not compared", File: file + "file.go", Old: "\tif now != prev {\n\t\treturn state.ErrConflict\n\t}", New: "\t_ = now"},
		{Breaks: "a folder's new object replaces one that is there", File: file + "file.go", Old: "case prev == state.Absent:", New: "case false:"},
		{Breaks: "two processes write to a folder at once", File: file + "file.go", Old: "if err == nil && !ok {", New: "if false && !ok {"},
		{Breaks: "a folder in place of an object counts as absent", File: file + "file.go", Old: "return nil, folderError(path)", New: "return nil, state.ErrNotFound"},
		{Breaks: "an object whose disk is not mounted counts as absent", File: file + "file.go", Old: "cmp.Or(dangling(path), noFolder(filepath.Dir(path)))", New: "noFolder(filepath.Dir(path))"},
		{Breaks: "a folder whose disk is not mounted is listed as empty", File: file + "list.go", Old: "return noFolder(dir)", New: "return nil"},
		{Breaks: "the link to a folder is deleted with an object in it", File: file + "file.go", Old: "dir != s.root && !isLink(dir) && removeIfThere(dir) == nil", New: "dir != s.root && removeIfThere(dir) == nil"},
		{Breaks: "a file is not synced", File: file + "batch.go", Old: "errors.Join(s.fsync(f), f.Close())", New: "f.Close()"},
		{Breaks: "a folder is not synced after a file got its name", File: file + "swap.go", Old: "err := s.syncDir(dir)", New: "err := error(nil)"},
		{Breaks: "a file that a full disk cut is taken", File: file + "batch.go", Old: "return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))\n\t\t}\n\t}\n\tbegin", New: "break\n\t\t}\n\t}\n\tbegin"},
		{Breaks: "a batch that is spooled at the same instant replaces another", File: "internal/state/spool/spool.go", Old: "Encode(stream, batch), state.Absent)", New: "Encode(stream, batch), state.Any)"},
		{Breaks: "the end of the run keeps a delivered batch in the spool", File: "internal/state/spool/spool.go", Old: "context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)", New: "context.WithTimeout(ctx, 15*time.Second)"},
		{Breaks: "a blob shorter than announced is taken", File: "internal/state/size.go", Old: "case errors.Is(err, io.EOF) && int64(len(data)) < size:", New: "case false && int64(len(data)) < size && io.ErrUnexpectedEOF != nil:", Tests: []string{"./internal/state/..."}},
		{Breaks: "a lease that was taken over is noticed once it would have run out", File: azblob + "lock.go", Old: "case isLeaseLost(err):\n\t\t\tlose(", New: "case isLeaseLost(err) && false:\n\t\t\tlose("},
		{Breaks: "the end of the run ends the renewal of its lease", File: azblob + "lock.go", Old: "context.WithCancel(context.WithoutCancel(ctx))", New: "context.WithCancel(ctx)"},
		{Breaks: "an unknown outcome counts as a conflict", File: azblob + "azblob.go", Old: "return \"\", err // unknown", New: "return \"\", conflict // unknown"},
		{Breaks: "a damaged blob is taken", File: azblob + "azblob.go", Old: "len(resp.ContentMD5) > 0 && !bytes.Equal(resp.ContentMD5, sum[:])", New: "false && !bytes.Equal(resp.ContentMD5, sum[:])"},
		{Breaks: "a blob is replaced whatever its version", File: azblob + "azblob.go", Old: "\t\tconditions.IfMatch = to.Ptr(azcore.ETag(prev))\n", New: ""},
		{Breaks: "a new blob replaces one that is there", File: azblob + "azblob.go", Old: "\t\tconditions.IfNoneMatch = to.Ptr(azcore.ETagAny)\n", New: ""},
	}
}

func edgeMutants() []Mutant {
	return []Mutant{
		{Breaks: "an acknowledgement with a trailer counts", File: "internal/sink/azmonitor/azmonitor.go", Old: "if name := transport.NotAnAck(a.Trailer); name != \"\" {", New: "if name := transport.NotAnAck(nil); name != \"\" {"},
		{Breaks: "a small batch is believed where an acknowledgement came early", File: "internal/sink/azmonitor/early.go", Old: "a.Doubtful = size < e.size", New: "a.Doubtful = false", Tests: []string{"./internal/sink/logsingestion"}},
		{Breaks: "an early acknowledgement is doubted for ever", File: "internal/sink/azmonitor/early.go", Old: "\t\te.size = 0\n", New: "\t\t_ = e.size\n", Tests: []string{"./internal/sink/logsingestion"}},
		{Breaks: "a doubted batch is not padded", File: ingestion + "sink.go", Old: "s.pack(st.rule, batch, s.early.Size())", New: "s.pack(st.rule, batch, 0)"},
		{Breaks: "the reset of an HTTP/2 stream is for good", File: "internal/lib/transport/errors.go", Old: " || errors.As(err, new(streamError))", New: ""},
		{Breaks: "a short page is the end of the events", File: sailpoint + "events.go", Old: "case len(r.records) == 0, !full && e.end.proves(at, r):", New: "case len(r.records) == 0, !full:"},
		{Breaks: "a cursor moves by its id only", File: sailpoint + "events.go", Old: "return r.last.ID != at.ID || r.last.Created != at.Created", New: "return r.last.ID != at.ID"},
		{Breaks: "an order that no id decides moves the cursor into a millisecond", File: sailpoint + "events.go", Old: "r.lastAt.Truncate(time.Millisecond).After(from)", New: "!r.lastAt.Before(from)"},
		{Breaks: "a cursor in the future is followed", File: sailpoint + "events.go", Old: "from, now, clockSlack)", New: "from, from, clockSlack)"},
		{Breaks: "the range of a search leaves out its begin", File: sailpoint + "query.go", Old: "{\"gte\":\"", New: "{\"gt\":\""},
		{Breaks: "a short page is the end of the invocations", File: sailpoint + "triggers.go", Old: "reach > at.seen() && !all &&", New: "len(records) == triggersPage && !all &&"},
		{Breaks: "the total beside the first page of invocations is believed", File: sailpoint + "triggers.go", Old: "all := at.Offset > 0 &&", New: "all := at.Offset >= 0 &&"},
		{Breaks: "the total beside the largest page of events is believed", File: sailpoint + "end.go", Old: "if len(r.records) > 0 && len(r.records) >= n.largest {", New: "if false {"},
		{Breaks: "pages of the invocations do not overlap", File: sailpoint + "triggers.go", Old: "reach - min(triggersOverlap, len(records)/2)", New: "reach"},
		{Breaks: "a sweep that was begun long ago is gone on with", File: sailpoint + "triggers.go", Old: "|| now.Sub(begun).Abs() > sweepAge {", New: "{"},
		{Breaks: "a page that can't be divided is not halved", File: sailpoint + "unreadable.go", Old: "e.trouble.again(after) < sightings {\n\t\t\treturn page, err", New: "e.trouble.again(after) > 0 {\n\t\t\treturn page, err"},
		{Breaks: "the way to a row that can't be had is left within its first millisecond", File: sailpoint + "unreadable.go", Old: "if over && (later || s.Done >= maxPage) && r.last", New: "over = s.Past || e.trouble.limit == 0 || s.Done > min(2*e.c.size.limit, maxPage/2)\n\tif over && r.last"},
		{Breaks: "the row after one that can't be had is passed over, too", File: sailpoint + "unreadable.go", Old: "s.Done, s.Past, s.Missed = s.Done+1,", New: "s.Done, s.Past, s.Missed = s.Done+2,"},
		{Breaks: "a record in place of a row that can't be had gets another id when a row beside it comes late", File: sailpoint + "unreadable.go", Old: "missing(created, nth, bad)", New: "missing(created, q.offset, bad)"},
		{Breaks: "a row that is indexed late lends its number to one that can't be had", File: sailpoint + "unreadable.go", Old: "case now != total:", New: "case now != total && false:"},
		{Breaks: "rows that shift while they are read by number are not noticed", File: sailpoint + "unreadable.go", Old: "return bareID(rec.ID) == at.Skip.Last })", New: "return rec.ID != \"\" })"},
		{Breaks: "a message in place of a row that can't be had is kept as its beginning", File: "internal/source/remote/remote.go", Old: "\t\treturn o.Message\n", New: "\t\treturn u.Size > o.Size\n", Tests: []string{"./internal/source/sailpoint"}},
		{Breaks: "rows that break the rules are believed at first sight", File: "internal/lib/jsonwalk/flaws.go", Old: "doubtful = doubtful || f.seen[sum] < Sightings", New: "doubtful = doubtful || f.seen[sum] < 0", Tests: []string{"./internal/source/sailpoint"}},
		{Breaks: "documents without id that are the same are one", File: sailpoint + "page.go", Old: "count(a.text[from:]); n > 1 {", New: "count(a.text[from:]); n < 0 {"},
		{Breaks: "a row that tells no time is counted where the service does not count it", File: sailpoint + "page.go", Old: "if before.Truncate(window).Equal(after.Truncate(window)) {", New: "if !after.IsZero() {"},
		{Breaks: "a window is accepted whatever its numbers are by now", File: pipelineDir + "unexplained.go", Old: "d.Source == o.Source && d.Ledger == o.Ledger", New: "d.Source >= 0 && o.Source >= 0"},
		{Breaks: "a clock that is behind is taken for right", File: "internal/app/clock.go", Old: "s.Ahead.Abs()-s.Doubt < limit(s.Host)", New: "s.Ahead-s.Doubt < limit(s.Host)"},
		{Breaks: "a read-back sends again what waits in quarantine", File: "internal/sink/readback/arrivals.go", Old: "\t\t\tif waits {", New: "\t\t\tif waits && false {", Tests: []string{"./internal/app"}},
		{Breaks: "a read-back asks for the time of rows that were not asked for", File: "internal/sink/readback/arrivals.go", Old: "if rec.Time.Before(a.From) || !rec.Time.Before(a.To) {", New: "if false {", Tests: []string{"./internal/app"}},
		{Breaks: "a read-back looks for ids of Okta where IdentityNow has them", File: "internal/table/schema/okta.go", Old: "ID: \"uuid\", ", New: "", Tests: []string{"./internal/app"}},
		{Breaks: "rows of other tenants count as arrived", File: readback + "queries.go", Old: "among(orgs), int64(window", New: "\"true\", int64(window"},
		{Breaks: "an id that another tenant wrote counts as arrived", File: readback + "queries.go", Old: "func may(orgs []string) string { return \"isempty(Org) or \" + among(orgs) }", New: "func may([]string) string { return \"true\" }"},
		{Breaks: "a row that arrived twice counts twice", File: readback + "queries.go", Old: "Own = countif(Own > 0)", New: "Own = sum(Own)"},
		{Breaks: "one id in two spellings counts twice", File: readback + "queries.go", Old: "tolower(replace_string(strcat(IdG, IdS), '-', ''))", New: "strcat(IdG, IdS)"},
		{Breaks: "what has no id is proven", File: readback + "arrivals.go", Old: "may be the record's\n\t\t\ta.unproven++", New: "may be the record's"},
		{Breaks: "what is outside of an audit is proven", File: readback + "arrivals.go", Old: "a.claimed[id] = struct{}{}\n\t\t\t\ta.unproven++", New: "a.claimed[id] = struct{}{}"},
		{Breaks: "a lower bound proves that everything is missing", File: pipelineDir + "audit_request.go", Old: "have == 0 && !i.Floor", New: "have == 0"},
		{Breaks: "a 200 that came before the whole batch acknowledges", File: collector + "answer.go", Old: "case !a.Whole, a.Doubtful:", New: "case false:"},
		{Breaks: "a 200 with a page acknowledges", File: collector + "answer.go", Old: "case a.saysNo():", New: "case false && a.saysNo():"},
		{Breaks: "a 200 with a body acknowledges", File: collector + "answer.go", Old: "case !a.Empty:\n\t\t\treturn &doubt{a}", New: "case !a.Empty:"},
		{Breaks: "a record far below the limit is refused for a 413", File: collector + "answer.go", Old: "if records == 1 && size <= MaxBody/2 {", New: "if false {"},
		{Breaks: "a 404 puts single records into quarantine", File: collector + "answer.go", Old: "Ambiguous: true,", New: "Ambiguous: false,"},
		{Breaks: "a connection that is too slow puts records into quarantine", File: ingestion + "check.go", Old: "\tif a.cutOff() {\n\t\treturn a.unread()\n\t}\n\tif err := s.probe", New: "\tif err := s.probe"},
		{Breaks: "an answer in words that came too early is believed", File: collector + "doubt.go", Old: "if !again.Whole || again.kind()", New: "if again.kind()"},
		{Breaks: "a 204 that came before the whole batch acknowledges", File: ingestion + "answer.go", Old: "if !a.Whole || a.Doubtful {", New: "if false {"},
		{Breaks: "a 204 with a body acknowledges", File: ingestion + "answer.go", Old: "!a.Empty || length != \"\" && length != \"0\" {", New: "false && length != \"\" {"},
		{Breaks: "a 200 of something in between acknowledges", File: ingestion + "answer.go", Old: "case http.StatusNoContent:\n", New: "case http.StatusNoContent, http.StatusOK:\n"},
		{Breaks: "a failed run is answered with 200", File: "internal/functions/answer.go", Old: "failed = err != nil || slices.ContainsFunc(runs, hasFailed)", New: "failed = err != nil && slices.ContainsFunc(runs, hasFailed)"},
		{Breaks: "a failed run is said only in the answer, which the host does not read", File: "internal/functions/answer.go", Old: "case failed || len(run.Warnings) > 0:", New: "case len(run.Warnings) > 0:"},
		{Breaks: "an error with the word warn in it arrives as a warning", File: "internal/functions/log.go", Old: "slog.NewJSONHandler(noWarn{lines}, options)", New: "slog.NewJSONHandler(lines, options)"},
		{Breaks: "the host's log does not name the error", File: "internal/functions/answer.go", Old: "\tif r.Error != \"\" {\n\t\tb.WriteString(\": \" + r.Error)\n\t}\n", New: ""},
	}
}

func reportMutants() []Mutant {
	return []Mutant{
		{Breaks: "a stream that fails counts as a report that is cut off", File: tabular + "reader.go", Old: "if fault := r.w.fault(); fault != nil {\n\t\terr = fault\n\t}", New: ""},
		{Breaks: "a row that the stream has cut is returned", File: tabular + "reader.go", Old: "err = r.w.passing() // it may be cut off", New: ""},
		{Breaks: "a CSV row that is cut off is a shorter row", File: tabular + "table.go", Old: "return i, cmp.Or(t.w.cutOff(i), flaw)", New: "return i, cmp.Or(flaw, \"\")"},
		{Breaks: "a quote that does not end takes the lines after it", File: tabular + "table.go", Old: "\tif place == inQuotes {\n\t\treturn t.line(), \"a quoted field does not end\"\n\t}\n", New: ""},
		{Breaks: "what can't be divided is dropped", File: tabular + "document.go", Old: "d.large = &pieces{w: d.w, most: d.most, number: d.number, flaw: \"the report", New: "_ = &pieces{w: d.w, most: d.most, number: d.number, flaw: \"the report"},
		{Breaks: "a list that ends too early is whole", File: tabular + "document.go", Old: "return Row{}, false, &Broken{Why: \"it ends before its list of rows does\", Kept: true}", New: "return Row{}, false, io.EOF"},
		{Breaks: "a report that breaks off is whole", File: reports + "reports.go", Old: "\t\tif readErr != nil {\n\t\t\treturn \"\", readErr\n\t\t}\n", New: "\t\tif readErr != nil {\n\t\t\treturn hex.EncodeToString(sum.Sum(nil)), nil\n\t\t}\n"},
		{Breaks: "a report is remembered before it is valid", File: reports + "reports.go", Old: "\tif err := s.confirm(ctx, r); err != nil {", New: "\ts.remember(ctx, r, etag)\n\tif err := s.confirm(ctx, r); err != nil {", Survives: "a note counts only if its report was delivered or waits with all its parts"},
		{Breaks: "the parts of a report that may be valid are removed", File: reports + "reports.go", Old: "\t\treturn Report{}, false, err // it may be", New: "\t\ts.drop(ctx, r.ID)\n\t\treturn Report{}, false, err // it may be"},
		{Breaks: "a changed part is taken", File: reports + "codec.go", Old: "if format.Sum(data) != h.SHA256 {", New: "if format.Sum(data) == \"\" {"},
		{Breaks: "an unchanged report is dropped for ever", File: reports + "reports.go", Old: "now.Sub(s.Received).Abs() < Again", New: "now.Sub(s.Received).Abs() >= 0"},
		{Breaks: "parts of a report are tidied away", File: reports + "reports.go", Old: "now.Sub(info.Modified) < kind.age || kind.keep(info.Key)", New: "now.Sub(info.Modified) < kind.age"},
		{Breaks: "a report that waits for long is forwarded once more", File: reports + "reports.go", Old: "return waiting[path.Base(key)] }", New: "return false }"},
		{Breaks: "rows that came are read again from the beginning", File: saas + "source.go", Old: "err := s.current.skip(ctx, skip)", New: "err := s.current.skip(ctx, 0)"},
		{Breaks: "a report that is damaged is removed", File: saas + "source.go", Old: "at.Damaged = append(at.Damaged, at.Report)", New: "at.Done = append(at.Done, at.Report)"},
		{Breaks: "a report whose record lost parts is whole", File: saas + "source.go", Old: "r.bytes != r.report.Bytes", New: "r.bytes > r.report.Bytes+2"},
		{Breaks: "a report that was restored is never read again", File: saas + "source.go", Old: "return slices.Contains(at.Done, r.ID) || s.damaged[r.ID] != nil", New: "return slices.Contains(at.Done, r.ID) || slices.Contains(at.Damaged, r.ID)"},
		{Breaks: "a report that was restored comes from its beginning", File: saas + "source.go", Old: "skip = at.Came[waiting[i].ID]", New: "skip = at.Came[\"\"]"},
		{Breaks: "a report is acknowledged while it is read", File: saas + "source.go", Old: "\t\tat.Report, at.Records = waiting[i].ID, skip\n", New: "\t\tat.Report, at.Records = waiting[i].ID, skip\n\t\tat.Done = append(at.Done, at.Report)\n"},
	}
}
