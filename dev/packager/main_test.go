package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
)

const root = "../.."

// small is an app whose handler builds in no time.
func small(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	for name, text := range map[string]string{
		"go.mod":                              "module example.com/small\n\ngo 1.26\n",
		"cmd/handler/main.go":                 "package main\n\nfunc main() { println(\"here\") }\n",
		"cmd/idnsentinel/main.go":             "package main\n\nfunc main() { println(\"command\") }\n",
		"cmd/sandbox/main.go":                 "package main\n\nfunc main() { println(\"stage\") }\n",
		"local.settings.example.json":         "{}",
		"LICENSE":                             "as you like",
		"deploy/idnsentinel.service":          "[Service]",
		"host.json":                           `{"version":"2.0"}`,
		"function/function.json":              `{"bindings":[]}`,
		"deploy/queue/host.json":              `{"version":"2.0","extensionBundle":{}}`,
		"deploy/queue/function/function.json": `{"bindings":[1]}`,
		"deploy/queue/work/function.json":     `{"bindings":[2]}`,
		"README.md":                           "does not ship",
		"docs/deep/function.json":             "no function",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

// A release is the same, byte for byte, when it is built in another folder, and
// its checksums are those that sha256sum takes.
func TestRun(t *testing.T) {
	var built []map[string]string
	out := t.TempDir()
	for range 2 {
		out = t.TempDir()
		if err := run(out, release{
			root: small(t), archs: []string{"amd64", "arm64"}, systems: []system{{"linux", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}},
			images: []string{"amd64", "arm64"}, further: []string{"host.json", "function/function.json"},
		}); err != nil {
			t.Fatal(err)
		}
		built = append(built, folder(t, out))
	}
	if len(built[0]) != 20 || built[0]["function.json"] == "" {
		t.Errorf("%d files, want 20, one of them function.json", len(built[0]))
	}
	for name, first := range built[0] {
		if first != built[1][name] {
			t.Errorf("%s differs between two folders", name)
		}
	}
	if built[0]["released-package.zip"] != built[0]["idn-sentinel-linux-amd64.zip"] || built[0]["idn-sentinel-linux-arm64.zip"] == built[0]["idn-sentinel-linux-amd64.zip"] {
		t.Error("released-package.zip is not the amd64 zip")
	}
	if q := built[0]["released-package-queue.zip"]; q != built[0]["idn-sentinel-queue-linux-amd64.zip"] || q == built[0]["released-package.zip"] {
		t.Error("released-package-queue.zip is not the amd64 zip for the queue")
	}
	if _, err := exec.LookPath("sha256sum"); err == nil {
		cmd := exec.CommandContext(t.Context(), "sha256sum", "-c", "--strict", "SHA256SUMS")
		cmd.Dir = out
		if msg, err := cmd.CombinedOutput(); err != nil || strings.Count(string(msg), ": OK") != 19 {
			t.Errorf("sha256sum: %v\n%s", err, msg)
		}
	}
}

type entry struct {
	Name    string
	Mode    os.FileMode
	Creator uint16
	Time    time.Time
}

func entries(t *testing.T, archive []byte) (got []entry, handler []byte) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		got = append(got, entry{f.Name, f.Mode(), f.CreatorVersion >> 8, f.Modified.UTC()})
		if f.Name != "handler" {
			continue
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if handler, err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	return got, handler
}

// The product's own package, entry by entry; its handler, taken out of the zip,
// opens the port that the host gives it.
func TestProduct(t *testing.T) {
	out := t.TempDir()
	if err := run(out, release{root: root, archs: []string{runtime.GOARCH}, systems: []system{{runtime.GOOS, runtime.GOARCH}}}); err != nil {
		t.Fatal(err)
	}
	files := folder(t, out)
	got, handler := entries(t, []byte(files["idn-sentinel-linux-"+runtime.GOARCH+".zip"]))
	const unix = 3
	fixed := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	want := []entry{
		{"function/function.json", 0o644, unix, fixed},
		{"handler", 0o755, unix, fixed},
		{"hooks/function.json", 0o644, unix, fixed},
		{"host.json", 0o644, unix, fixed},
		{"status/function.json", 0o644, unix, fixed},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	queue, same := entries(t, []byte(files["idn-sentinel-queue-linux-"+runtime.GOARCH+".zip"]))
	if diff := cmp.Diff(append(want, entry{"work/function.json", 0o644, unix, fixed}), queue); diff != "" || !bytes.Equal(same, handler) {
		t.Errorf("the package for FAN_OUT=queue has another handler, or entries (-want +got):\n%s", diff)
	}
	checkBill(t, files["idn-sentinel-linux-"+runtime.GOARCH+".cdx.json"])
	checkBill(t, files["idn-sentinel-queue-linux-"+runtime.GOARCH+".cdx.json"])
	name := "idnsentinel-" + runtime.GOOS + "-" + runtime.GOARCH
	checkBill(t, files[name+".cdx.json"])
	checkCommand(t, files[name+".tar.gz"])
	if bytes.Contains(handler, []byte(here(t))) {
		t.Error("the handler holds a path of this machine")
	}
	if runtime.GOOS == "linux" {
		const promised = 100 * time.Millisecond
		least := opens(t, handler, promised)
		t.Logf("%v of processor time from the start of the process to its first answer", least)
		if least > promised {
			t.Errorf("the handler takes %v of processor time to open its port", least)
		}
	}
}

// checkCommand unpacks the archive of the operator's command as a person would, and runs it.
func checkCommand(t *testing.T, archive string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return // a zip there, written by the code that TestRun covers
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.tar.gz"), []byte(archive), 0o600); err != nil {
		t.Fatal(err)
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-xzf", "a.tar.gz")
	unpack.Dir = dir
	if msg, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, msg)
	}
	if _, err := os.Stat(filepath.Join(dir, "LICENSE")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "local.settings.example.json")); err != nil {
		t.Error(err)
	}
	msg, err := exec.CommandContext(t.Context(), filepath.Join(dir, "idnsentinel"), "version").CombinedOutput()
	if err != nil || !strings.Contains(string(msg), "idnsentinel") {
		t.Errorf("idnsentinel version: %v\n%s", err, msg)
	}
	firstCheck(t, dir)
}

// firstCheck is the walk of docs/run-anywhere.md, without Go, Node or any other program: from the
// unpacked archive to the first check in which everything is well.
func firstCheck(t *testing.T, dir string) {
	t.Helper()
	begin := time.Now()
	settings := filepath.Join(dir, "sandbox.json")
	alone := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, name), args...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + filepath.Join(dir, "nothing"), "TMPDIR=" + dir, "HOME=" + dir}
		cmd.WaitDelay = 10 * time.Second
		return cmd
	}
	sandbox := alone("sandbox", "serve", "--page", "127.0.0.1:0", "--tenant", "127.0.0.1:0", "--workspace", "127.0.0.1:0", "--past", "10m", "--settings", settings)
	sandbox.Cancel = func() error { return sandbox.Process.Signal(os.Interrupt) }
	out, err := sandbox.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	sandbox.Stderr = &complaints
	if err := sandbox.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := ""
	for next == "" && lines.Scan() {
		next, _ = strings.CutPrefix(lines.Text(), "in another terminal: ./idnsentinel ")
		if next == lines.Text() {
			next = ""
		}
	}
	args := strings.Fields(next)
	if len(args) < 2 || args[0] != "check" {
		t.Fatalf("the sandbox names no next step: %q\n%s", next, &complaints)
	}
	rest := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(out) // its end is that of the process
		rest <- string(text)
	}()
	msg, err := alone("idnsentinel", args...).CombinedOutput()
	if err != nil || !strings.Contains(string(msg), "checks passed.\nNext: ") || strings.Contains(string(msg), "FAIL") {
		t.Errorf("check: %v\n%s", err, msg)
	}
	t.Logf("%v from the unpacked archive to the first check in which all is well", time.Since(begin).Round(100*time.Millisecond))
	if err := sandbox.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said := <-rest
	_ = sandbox.Wait() // the status says it
	if status := sandbox.ProcessState.ExitCode(); status != 130 || !strings.Contains(said, "rows arrived; the connector's state stays in ") || !strings.Contains(complaints.String(), "sandbox: stopped: ") {
		t.Errorf("after Ctrl-C: status %d\n%s%s", status, said, &complaints)
	}
}

func TestSystems(t *testing.T) {
	if got, err := parseSystems("all"); err != nil || len(got) != 6 {
		t.Errorf("all: %v, %v", got, err)
	}
	if got, err := parseSystems(""); err != nil || got != nil {
		t.Errorf("none: %v, %v", got, err)
	}
	if _, err := parseSystems("linux/amd64,plan9/mips"); err == nil || !strings.Contains(err.Error(), "plan9/mips") {
		t.Errorf("an unknown system: %v", err)
	}
}

// opens starts the handler until it answers in time, at most 20 times. It returns
// the least processor time from the start to the first answer: time on the clock
// depends on what else the machine does, and is for the benchmark.
func opens(t *testing.T, handler []byte, inTime time.Duration) time.Duration {
	t.Helper()
	path := filepath.Join(t.TempDir(), "handler")
	if err := os.WriteFile(path, handler, 0o700); err != nil {
		t.Fatal(err)
	}
	least := time.Hour
	for range 20 {
		h, err := host.Start(t.Context(), host.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		least = min(least, h.Kill().CPU)
		h.Close()
		if least <= inTime {
			break
		}
	}
	return least
}

// checkBill compares the list of parts with what go.sum pins.
func checkBill(t *testing.T, text string) {
	t.Helper()
	var b cdx.BOM
	if err := cdx.NewBOMDecoder(strings.NewReader(text), cdx.BOMFileFormatJSON).Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.BOMFormat != "CycloneDX" || b.SpecVersion != cdx.SpecVersion1_6 || b.Metadata.Timestamp != "" || !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(b.SerialNumber) {
		t.Errorf("head is %q, %q", b.BOMFormat, b.SerialNumber)
	}
	if b.Metadata.Component.Name != "github.com/idn-sentinel/idn-sentinel" || b.Metadata.Component.Version == "" {
		t.Errorf("the bill is of %+v", b.Metadata.Component)
	}
	pinned, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	parts, dependencies := *b.Components, *b.Dependencies
	if len(parts) < 10 || len(dependencies) != 1 || len(*dependencies[0].Dependencies) != len(parts) {
		t.Fatalf("%d components, dependencies %v", len(parts), dependencies)
	}
	for _, c := range parts {
		if c.Name == "std" {
			continue
		}
		if c.Properties == nil || !strings.Contains(string(pinned), c.Name+" "+c.Version+" "+(*c.Properties)[0].Value+"\n") {
			t.Errorf("%s %s is not what go.sum pins: %v", c.Name, c.Version, c.Properties)
		}
		if c.PackageURL != "pkg:golang/"+c.Name+"@"+strings.ReplaceAll(c.Version, "+", "%2B") || c.BOMRef != c.PackageURL {
			t.Errorf("%s has the package URL %s", c.Name, c.PackageURL)
		}
	}
}

func here(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMissing(t *testing.T) {
	if err := write(&bytes.Buffer{}, t.TempDir(), "", "nowhere"); err == nil {
		t.Error("an app without its files makes a zip")
	}
	broken := small(t)
	if err := os.WriteFile(filepath.Join(broken, "cmd/handler/main.go"), []byte("package main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.TempDir(), release{root: broken, archs: []string{"amd64"}}); err == nil || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("a handler that does not build gives %v", err)
	}
}
