package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// leaveCheckpoint writes what the Python function leaves behind.
func leaveCheckpoint(t *testing.T, s *azurite.Server, createdTime string) *aztables.Client {
	t.Helper()
	return leave(t, s, "checkpointTable", `{"PartitionKey":"checkpointTime","RowKey":"001","createdTime":"`+createdTime+`"}`)
}

// leave creates a table with one row.
func leave(t *testing.T, s *azurite.Server, name, row string) *aztables.Client {
	t.Helper()
	cred, err := aztables.NewSharedKeyCredential(s.AccountName, s.AccountKey)
	if err != nil {
		t.Fatal(err)
	}
	service, err := aztables.NewServiceClientWithSharedKey(s.TableURL, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := service.NewClient(name)
	if _, err := table.CreateTable(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := table.AddEntity(t.Context(), []byte(row), nil); err != nil {
		t.Fatal(err)
	}
	return table
}

// The Python function stopped 18 hours ago, far before INITIAL_LOOKBACK. With its
// settings and its storage account the connector goes on a few minutes before that
// place, through two kills, and never looks there again.
func TestTakeOver(t *testing.T) {
	w := newWorld(t, 9_000, 20*time.Hour, synth.Options{Seed: 15, Rate: 1, Ties: 40, TieEvery: 997})
	emulator := azurite.StartTables(t)
	freeLeases := w.useAzurite(emulator)
	for _, name := range []string{"AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_BLOB_ENDPOINT"} {
		delete(w.env, name)
	}
	w.env["AzureWebJobsStorage"] = emulator.ConnectionString
	w.env["INITIAL_LOOKBACK"], w.env["LIMIT"], w.env["BATCH_BYTES"] = "1h", "500", "700000"
	stopped := w.gen.Created(4_000)
	table := leaveCheckpoint(t, emulator, stopped.Format("2006-01-02T15:04:05.000Z"))

	var kill atomic.Bool
	var current atomic.Pointer[host.Host]
	w.workspace.AfterAck = func(int) {
		if kill.CompareAndSwap(true, false) {
			current.Load().Kill()
		}
	}
	w.serve()
	for range 2 {
		h := w.start()
		current.Store(h)
		kill.Store(true)
		if inv, err := h.Fire(t.Context()); err == nil {
			t.Fatalf("the kill did not come: %+v", inv)
		}
		freeLeases()
	}
	inv := w.fire(w.start())
	if rep := report(t, inv, events); rep.State != pipeline.Drained {
		t.Fatalf("%+v", rep)
	}

	first := w.gen.Search(w.n, stopped.Add(-5*time.Minute).Truncate(5*time.Minute).UnixMilli())
	got := w.workspace.Table(events).IDs()
	for i := range w.n {
		switch n := got[w.gen.ID(i)]; {
		case i < first && n > 0:
			t.Fatalf("event %d came, before the overlap, which begins with %d", i, first)
		case i >= first && n == 0:
			t.Fatalf("event %d is missing of those from %d on", i, first)
		}
	}
	if twice, most := w.workspace.Stats().Duplicates, 2*pipeline.Parallel*w.workspace.Stats().LargestRows; twice > most {
		t.Errorf("%d rows came again, %d were in flight", twice, most)
	}

	// Going back stays possible, and the place is not needed any more.
	if row, err := table.GetEntity(t.Context(), "checkpointTime", "001", nil); err != nil || len(row.Value) == 0 {
		t.Errorf("the old checkpoint is gone: %v", err)
	}
	if _, err := table.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if rep := report(t, w.fire(w.start()), events); rep.State != pipeline.Drained || rep.Sent != 0 {
		t.Errorf("without the old table: %+v", rep)
	}
}

// An old checkpoint that can't be used stops the run instead of beginning elsewhere.
func TestTakeOverOfNonsense(t *testing.T) {
	w := newWorld(t, 100, time.Hour, synth.Options{Seed: 16, Rate: 1})
	emulator := azurite.StartTables(t)
	w.useAzurite(emulator)
	w.env["LEGACY_CHECKPOINT"] = emulator.TableURL
	leaveCheckpoint(t, emulator, "the day before")
	w.serve()
	h := w.start()
	inv := w.fire(h)
	rep := report(t, inv, events)
	if inv.Status != http.StatusInternalServerError || rep.State != pipeline.Failed || rep.Sent != 0 {
		t.Errorf("status %d, %+v", inv.Status, rep)
	}
	contains(t, rep.Error, "the day before", "LEGACY_CHECKPOINT=off", "INITIAL_LOOKBACK")
	h.Close()
	w.env["LEGACY_CHECKPOINT"] = "off"
	if rep := report(t, w.fire(w.start()), events); rep.State != pipeline.Drained || rep.Sent != 100 {
		t.Errorf("with the remedy: %+v", rep)
	}
}

// With the settings, the storage account and the table of Microsoft's function for Okta, the connector
// goes on at the link where that one stopped: no event before it comes, and each one after it. The key
// of the function's row is the API token: nothing shows it.
func TestTakeOverFromTheOktaFunction(t *testing.T) {
	const n, read, token = 1_500, 600, "00" + secretCanary
	made := okta.Generator{Seed: 8, Start: time.Now().Add(-26 * time.Hour), Every: time.Minute}
	org := &okta.Org{APIToken: token, Scheme: "http", RateLimit: 6000}
	for i := range n {
		org.Add(made.Event(i))
	}
	served := httptest.NewServer(org)
	t.Cleanup(served.Close)
	at := made.Event(read).Published.UTC().Format("2006-01-02T15:04:05.000Z")

	emulator := azurite.StartTables(t)
	w := newOtherWorld(t, map[string]string{
		"uri": served.URL + "/api/v1/logs?since=", "apiToken": token, "workspaceId": workspace.DefaultID, "workspaceKey": keyCanary,
		"INITIAL_LOOKBACK": "1h", "LOG_LEVEL": "debug", "HEALTH_TABLE": "false",
	})
	w.serveWorkspace()
	w.useAzurite(emulator)
	for _, name := range []string{"CUSTOMER_ID", "SHARED_KEY", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_BLOB_ENDPOINT"} {
		delete(w.env, name)
	}
	w.env["AzureWebJobsStorage"], w.env["LEGACY_CHECKPOINT"] = emulator.ConnectionString, emulator.TableURL
	leave(t, emulator, "OKTA", `{"PartitionKey":"part1","RowKey":"`+token+`","uri":"`+served.URL+`/api/v1/logs?since=`+at+`&limit=100"}`)
	rep := report(t, w.fire(w.start()), "Okta")
	if rep.State != pipeline.Drained || rep.Sent != n-read {
		t.Errorf("%+v, want %d events", rep, n-read)
	}
	for i, ids := 0, w.workspace.Table("Okta").IDs(); i < n; i++ {
		if got, want := ids[made.UUID(i)] > 0, i >= read; got != want {
			t.Fatalf("event %d came: %v", i, got)
		}
	}
	if v := org.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s\nwant it to contain %q", text, part)
		}
	}
}
