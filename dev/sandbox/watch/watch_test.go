package watch_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/watch"
)

// visitor looks at the page.
type visitor struct {
	t       *testing.T
	address string
}

func (v visitor) page() string {
	v.t.Helper()
	resp, err := http.Get(v.address)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		v.t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	if strings.Contains(string(body), "%!") { // a verb that does not fit its value
		v.t.Fatalf("the page is badly formatted:\n%s", body)
	}
	return string(body)
}

// press presses the button of a fault, as a browser on a page of an origin, and returns the status.
func (v visitor) press(fault, origin string) int { return v.send("fault", fault, origin) }

func (v visitor) send(name, value, origin string) int {
	v.t.Helper()
	r, err := http.NewRequest(http.MethodPost, v.address, strings.NewReader(url.Values{name: {value}}.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// until waits until the page shows a text.
func (v visitor) until(texts ...string) {
	v.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(60 * time.Second); ; {
		body, all := v.page(), true
		for _, text := range texts {
			all = all && strings.Contains(body, text)
		}
		if all {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			v.t.Fatalf("%q never came:\n%s", texts, body)
		}
	}
}

// The real connector runs between the stand-ins; each fault shows on the page, and everything arrives
// in spite of it.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "idnsentinel")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../../cmd/idnsentinel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	w, address, err := watch.Start(t.Context(), watch.Config{
		Stage:     demo.StageConfig{Seed: 3, Past: 5 * time.Minute, Rate: 1},
		Connector: program, State: filepath.Join(dir, "state"), Faults: []watch.Fault{watch.Outage},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	v := visitor{t, address}
	origin := strings.TrimSuffix(address, "/")

	v.until("Workspace outage (on)", `aria-pressed="true"`, "503", "No rows yet.")
	if status := v.press("outage", "https://evil.example"); status != http.StatusForbidden {
		t.Errorf("a page of another origin gets %d", status)
	}
	for _, fault := range []string{"", "nonsense"} {
		if status := v.press(fault, origin); status != http.StatusBadRequest {
			t.Errorf("the fault %q gets %d", fault, status)
		}
	}
	for _, fault := range []string{"outage", "poison", "late"} {
		if status := v.press(fault, origin); status != http.StatusSeeOther {
			t.Errorf("the fault %q gets %d", fault, status)
		}
	}
	v.until(`<h3 id="SailPointIDN_Events_CL">SailPointIDN_Events_CL: `, "&#34;quarantined&#34;:1", `scope="col">TimeGenerated`)
	if status := v.press("kill", origin); status != http.StatusSeeOther {
		t.Errorf("kill gets %d", status)
	}
	v.until("(start 2)", "&#34;msg&#34;:&#34;ready&#34;")
	if status := v.press("throttle", origin); status != http.StatusSeeOther {
		t.Errorf("throttle gets %d", status)
	}
	v.until("Throttle the tenant (on)", "429")
	if status := v.press("throttle", origin); status != http.StatusSeeOther {
		t.Errorf("throttle off gets %d", status)
	}
	for _, rate := range []string{"many", "-1", "100000"} {
		if status := v.send("more", rate, origin); status != http.StatusBadRequest {
			t.Errorf("%s more events a second gets %d", rate, status)
		}
	}
	before := w.Rows()
	if status := v.send("more", "500", origin); status != http.StatusSeeOther {
		t.Errorf("more events get %d", status)
	}
	v.until(`value="500" aria-pressed="true"`, "<td>SailPointIDN_Events</td><td>drained</td>")
	for end := time.Now().Add(60 * time.Second); w.Rows() < before+500; <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d rows before, %d with more events", before, w.Rows())
		}
	}
	if w.Rows() < 250 {
		t.Errorf("%d rows", w.Rows())
	}
}

func TestUnknownFault(t *testing.T) {
	if _, _, err := watch.Start(t.Context(), watch.Config{Faults: []watch.Fault{"flood"}}); err == nil || !strings.Contains(err.Error(), "throttle") {
		t.Errorf("error %v", err)
	}
}
