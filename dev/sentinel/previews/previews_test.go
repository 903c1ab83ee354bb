package previews_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/previews"
)

var update = flag.Bool("update", false, "draw the pictures anew")

// now is the end of the day that is drawn.
var now = time.Date(2026, 9, 2, 12, 0, 0, 0, time.UTC)

var parameters = strings.NewReplacer(
	"{TimeRange:start}", "datetime(2026-09-01T12:00:00Z)", "{TimeRange:end}", "datetime(2026-09-02T12:00:00Z)", "{TimeRange:grain}", "1h",
	"{TimeRange}", "1d", "{EventType}", "'*'", "{Org}", "'*'", "{Stream}", "'*'", "{Connection}", "'*'",
)

// day is a day of an invented tenant.
func day(t *testing.T) *kqltest.Scene {
	t.Helper()
	s := kqltest.NewScene(t, now.Format(time.RFC3339), "events-dcr", "events-isc", "triggers-dcr", "health", "iiq-audit-dcr", "incidents")
	for i, title := range []string{"SailPoint: ann.lee logged on after 6 failures", "SailPoint: 14 accounts removed by dan.oakes", "SailPoint: USER_ADMIN_GRANT for eve.stone"} {
		at, id := now.Add(-time.Duration(i*5+1)*time.Hour).Format(time.RFC3339), strconv.Itoa(i)
		s.Rows("SecurityAlert", kqltest.Row{"TimeGenerated": at, "SystemAlertId": id, "ExtendedProperties": "SailPointIDNEvents"})
		s.Rows("SecurityIncident", kqltest.Row{"TimeGenerated": at, "CreatedTime": at, "IncidentNumber": 41 - i, "Title": title, "Severity": []string{"High", "Medium", "Medium"}[i], "Status": []string{"New", "Active", "Closed"}[i], "Owner": map[string]any{"assignedTo": "soc"}, "AlertIds": []any{id}})
	}
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same pictures each time
	people := []string{"ann.lee", "bob.ray", "carol.adams", "dan.oakes", "eve.stone", "finn.marsh", "gia.rossi", "hugo.berg", "iris.chen", "jan.novak", "kim.park", "lea.wolf"}
	sources := []string{"Active Directory", "Workday", "Salesforce", "SAP", "GitHub"}
	addresses := []string{"198.51.100.7", "198.51.100.23", "203.0.113.9", "203.0.113.80", "192.0.2.14"}
	one := func(list []string) string { return list[dice.IntN(len(list))] }
	kinds := []struct {
		kind, action, status string
		share                int
		by                   string
	}{
		{"AUTH", "AUTHENTICATION-100", "PASSED", 60, ""},
		{"AUTH", "AUTHENTICATION-240", "FAILED", 9, ""},
		{"AUTH", "MFA_ON_LOGIN_AUTHENTICATE", "PASSED", 25, ""},
		{"AUTH", "MFA_REGISTRATION_RESET", "PASSED", 1, ""},
		{"USER_MANAGEMENT", "USER_STEP_UP_AUTH", "PASSED", 5, ""},
		{"USER_MANAGEMENT", "USER_STEP_UP_AUTH_FAILURE", "FAILED", 2, ""},
		{"PROVISIONING", "AddEntitlement", "PASSED", 18, "System"},
		{"PROVISIONING", "RemoveEntitlement", "PASSED", 8, "System"},
		{"PROVISIONING", "CreateAccount", "PASSED", 5, "System"},
		{"PROVISIONING", "DisableAccount", "PASSED", 3, "System"},
		{"PROVISIONING", "AddEntitlement", "FAILED", 3, "System"},
		{"ACCESS_REQUEST", "ACCESS_REQUEST_SUBMITTED", "PASSED", 12, ""},
		{"ACCESS_REQUEST", "ACCESS_REQUEST_APPROVED", "PASSED", 9, ""},
		{"ACCESS_REQUEST", "ACCESS_REQUEST_REJECTED", "PASSED", 2, ""},
		{"PASSWORD_ACTIVITY", "PASSWORD_CHANGE", "PASSED", 6, ""},
		{"PASSWORD_ACTIVITY", "PASSWORD_RESET", "FAILED", 2, ""},
		{"CERTIFICATION", "remediate", "PASSED", 4, ""},
		{"CERTIFICATION", "approve", "PASSED", 20, ""},
		{"SOD_VIOLATION", "SOD_VIOLATION_CREATED", "PASSED", 3, "System"},
		{"SOD_VIOLATION", "SOD_APPLY_CONTROL", "PASSED", 1, ""},
		{"AUTH", "PERSONAL_ACCESS_TOKEN_USED", "PASSED", 6, ""},
		{"AUTH", "CLIENT_TOKEN_ISSUE", "PASSED", 8, ""},
		{"AUTH", "PERSONAL_ACCESS_TOKEN_CREATED", "PASSED", 1, ""},
		{"SYSTEM_CONFIG", "API_CLIENT_CREATE", "PASSED", 1, ""},
		{"SOURCE_MANAGEMENT", "SOURCE_UPDATE_PASSED", "PASSED", 2, ""},
		{"WORKFLOW", "UPDATE_WORKFLOW", "PASSED", 1, ""},
		{"USER_MANAGEMENT", "USER_ADMIN_GRANT", "PASSED", 1, ""},
	}
	for n, k := range kinds {
		for i := range k.share * 4 {
			at := now.Add(-time.Duration(dice.IntN(24*60)) * time.Minute)
			if dice.IntN(3) > 0 && at.Hour() < 6 { // nights are quiet
				at = at.Add(7 * time.Hour)
			}
			if at.After(now) {
				at = now.Add(-time.Minute)
			}
			actor, target := one(people), one(people)
			if k.by != "" {
				actor = k.by
			}
			doc := kqltest.Doc{
				"id": fmt.Sprintf("%d-%d", n, i), "created": at.Format(time.RFC3339), "org": "acme", "type": k.kind, "action": k.action, "status": k.status,
				"name": k.action, "actor": kqltest.Doc{"name": actor}, "target": kqltest.Doc{"name": target}, "ipAddress": one(addresses), "$ingested": at.Add(2 * time.Minute).Format(time.RFC3339),
				"attributes": kqltest.Doc{"sourceName": one(sources), "accessItemName": "Role " + one(sources), "errors": "Connection refused"},
			}
			s.DCR(kqltest.EventsTable, doc)
		}
	}
	for i := range 24 * 12 {
		at := now.Add(-time.Duration(i*5) * time.Minute)
		for _, stream := range []string{"SailPointIDN_Events", "SailPointIDN_Triggers"} {
			state, failed := "drained", ""
			if i%97 == 40 {
				state, failed = "failed", "search events: status 503: try again later"
			}
			s.DCR(kqltest.HealthTable, kqltest.Doc{
				"TimeGenerated": at.Format(time.RFC3339), "ended": at.Add(3 * time.Second).Format(time.RFC3339), "run_id": fmt.Sprintf("%s%d", stream, i), "stream": stream, "org": "acme",
				"connection": "acme", "state": state, "error": failed, "fetched": 40 + dice.IntN(60), "sent": 40 + dice.IntN(60), "duplicates": dice.IntN(3), "conformed": dice.IntN(2), "quarantined": 0, "quarantine_waiting": i / 200,
				"lag_seconds": 45 + dice.IntN(90), "seconds": 1.5 + dice.Float64()*3, "retries": dice.IntN(2), "throttled": dice.IntN(2),
				"batches": 1, "windows_checked": 1, "mismatches": i % 90 / 89, "repaired": i % 90 / 89, "version": "v1.2.0", "audited_through": at.Add(-10 * time.Minute).Format(time.RFC3339),
			})
		}
		if i%6 == 0 {
			s.DCR(kqltest.TriggersTable, kqltest.Doc{"TimeGenerated": at.Format(time.RFC3339), "id": strconv.Itoa(i), "created": at.Format(time.RFC3339), "completed": at.Add(time.Second).Format(time.RFC3339), "triggerId": "idn:identity-created", "subscriptionName": "SOC", "status": "COMPLETED"})
		}
		if i%4 == 0 {
			for _, a := range []string{"login", "loginFailure", "update", "create"} {
				s.DCR(kqltest.IIQTable, kqltest.Doc{"TimeGenerated": at.Format(time.RFC3339), "eventTime": at.Format(time.RFC3339), "id": fmt.Sprintf("%d%s", i, a), "action": a, "source": one(people), "target": one([]string{"spadmin", "ann.lee", "Rule:Leaver", "SystemConfiguration"}), "clientHost": "10.0.0.7"})
			}
		}
	}
	return s
}

type picture struct {
	HTML string `json:"html"`
	Path string `json:"path"`
}

// TestPreviews: each tile that is shown without a choice is executed and drawn, by light and by dark, within
// the width; -update keeps the pictures.
func TestPreviews(t *testing.T) {
	books, err := content.Workbooks(kqltest.Root(t, "sentinel"))
	if err != nil {
		t.Fatal(err)
	}
	s := day(t)
	var pictures []picture
	titles, count := map[string]string{}, map[string]int{}
	results := map[string]kqltest.Table{} // both themes show the same
	run := func(query string) (kqltest.Table, error) {
		if out, ok := results[query]; ok {
			return out, nil
		}
		out, err := s.TryRun(t, parameters.Replace(query), s.Data)
		results[query] = out
		return out, err
	}
	for _, w := range books {
		tiles, err := previews.Tiles(w.Text)
		if err != nil {
			t.Fatal(err)
		}
		titles[w.File] = previews.Titles(tiles)
		for theme, dark := range map[string]bool{"Black": true, "White": false} {
			html, err := previews.Page(tiles, dark, run)
			if err != nil {
				t.Fatalf("%s: %v", w.File, err)
			}
			path := filepath.Join(t.TempDir(), w.File+theme+".png")
			count[path] = strings.Count(html, "<h4>")
			pictures = append(pictures, picture{html, path})
		}
	}
	for i, seen := range draw(t, pictures) {
		name := filepath.Base(pictures[i].Path)
		if dark := strings.Contains(name, "Black"); dark != (seen.Light < 80) || seen.Wide > 1100 || seen.Drawn < count[pictures[i].Path] {
			t.Errorf("%s: %+v, want %d tiles drawn", name, seen, count[pictures[i].Path])
		}
		if *update {
			keep(t, pictures[i].Path, titles[strings.NewReplacer("Black.png", "", "White.png", "").Replace(name)])
		}
	}
}

// TestPreviewsAreCurrent: a picture shows the tiles that its workbook has.
func TestPreviewsAreCurrent(t *testing.T) {
	books, err := content.Workbooks(kqltest.Root(t, "sentinel"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range books {
		tiles, err := previews.Tiles(w.Text)
		if err != nil {
			t.Fatal(err)
		}
		for _, theme := range []string{"Black", "White"} {
			file := kqltest.Root(t, "sentinel", "Workbooks", "Images", "Preview", w.File+theme+".png")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, err := png.DecodeConfig(bytes.NewReader(data))
			if err != nil || config.Width != 1100 || config.Height != 1000 {
				t.Errorf("%s: %v, %+v", file, err, config)
			}
			if !bytes.Contains(data, []byte("tEXtTiles\x00"+previews.Titles(tiles))) {
				t.Errorf("%s shows other tiles than the workbook has: go test ./dev/sentinel/previews -update", filepath.Base(file))
			}
		}
	}
}

// keep stores a picture, with the titles of the tiles in a text chunk in front of its end.
func keep(t *testing.T, path, titles string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	chunk := append([]byte("tEXtTiles\x00"), titles...)
	out := bytes.Clone(data[:len(data)-12])
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)-4)) //nolint:gosec // a short text
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	out = append(out, data[len(data)-12:]...)
	if err := os.WriteFile(kqltest.Root(t, "sentinel", "Workbooks", "Images", "Preview", filepath.Base(path)), out, 0o644); err != nil { //nolint:gosec // a picture
		t.Fatal(err)
	}
}

type seen struct {
	Light float64 `json:"light"`
	Wide  int     `json:"wide"`
	Tiles int     `json:"tiles"`
	Drawn int     `json:"drawn"`
}

func draw(t *testing.T, pictures []picture) []seen {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the browser's package is for Linux on amd64")
	}
	dir := kqltest.Root(t, "dev", "browser")
	if err := nodetools.InstallIn(t.Context(), dir, "@sparticuz/chromium", "playwright-core"); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("draw.mjs")
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(pictures)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "--eval", string(script))
	var complaints bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(input), &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("draw: %v\n%s", err, &complaints)
	}
	var all []seen
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}
