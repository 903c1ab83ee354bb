// Command packager makes what a release consists of. Run it from the root of the
// repository (make package). Into the folder given by -o it writes, for each
// architecture of -arch,
//
//	idn-sentinel-linux-<arch>.zip        what a function app is deployed from
//	idn-sentinel-queue-linux-<arch>.zip  the same for FAN_OUT=queue: other host.json, other functions
//	*.cdx.json for each of the two       what the handler is made of (CycloneDX)
//
// for each system of -cli
//
//	idnsentinel-<os>-<arch>.tar.gz      the operator's command (.zip for Windows), and the
//	                                    stand-ins to try it with
//	idnsentinel-<os>-<arch>.cdx.json    what it is made of
//
// with -image
//
//	idnsentinel-image.tar               a container image with that command (OCI)
//
// and beside them
//
//	released-package.zip                the amd64 zip under the name that Flex Consumption keeps it by
//	released-package-queue.zip          that for FAN_OUT=queue
//	the files of -with                  as they are, without their folders
//	SHA256SUMS                          of all of them, for sha256sum -c
//
// The archive holds host.json, the folders of functions and the handler, and
// nothing else. The one for FAN_OUT=queue has what is in deploy/queue in front of what is in the
// root, and the same handler. It is written here rather than by a zip program because the
// handler needs its executable bit on every plan and from every operating
// system, and because the same commit must give the same bytes: entries are
// sorted, times fixed, and the binary is built without paths. From a clean
// checkout the Go toolchain writes the tag or commit into the binary.
//
// The bytes also depend on the Go release: of the compiler, and of the packager
// itself, which compresses the archive. Both are the one that the toolchain line
// of go.mod names, whatever Go is installed; the settings of the environment
// that change what the compiler writes are fixed. So anybody who builds the tag
// gets the published checksums.
//
// Every Functions plan runs amd64; arm64 is for hosts of one's own.
package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"

	"github.com/go-json-experiment/json"
)

func main() {
	out := flag.String("o", "dist", "the folder to write to")
	arch := flag.String("arch", "amd64", "architectures of the handler, with commas: amd64, arm64")
	cli := flag.String("cli", "", "systems of the operator's command, with commas: linux/amd64, darwin/arm64, windows/amd64; all for every one")
	images := flag.String("image", "", "architectures of the container image, with commas: amd64, arm64")
	with := flag.String("with", "", "further files of the release, with commas")
	flag.Parse()
	err := sameToolchain(".", runtime.Version())
	var systems []system
	if err == nil {
		systems, err = parseSystems(*cli)
	}
	if err == nil {
		listed := func(text string) []string { return strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) }
		err = run(*out, release{root: ".", archs: listed(*arch), systems: systems, images: listed(*images), further: listed(*with)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "packager:", err)
		os.Exit(1)
	}
}

// release says what to pack.
type release struct {
	root    string   // of the project
	archs   []string // of the app
	systems []system // of the command
	images  []string // architectures of the container image
	further []string // files of root
}

// run writes a release into the folder out.
func run(out string, r release) error {
	tmp, err := os.MkdirTemp("", "packager")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	files := map[string][]byte{}
	for _, arch := range r.archs {
		handler := filepath.Join(tmp, "handler-"+arch)
		if err := build(r.root, handler, "./cmd/handler", system{"linux", arch}); err != nil {
			return err
		}
		parts, err := bill(handler, system{"linux", arch})
		if err != nil {
			return err
		}
		for variant, over := range map[string]string{"": "", "-queue": queueFolder} {
			var archive strings.Builder
			if err := write(&archive, r.root, over, handler); err != nil {
				return err
			}
			name := "idn-sentinel" + variant + "-linux-" + arch
			files[name+".cdx.json"] = parts
			name += ".zip"
			files[name] = []byte(archive.String())
			if arch == "amd64" {
				files["released-package"+variant+".zip"] = files[name]
			}
		}
	}
	for _, s := range r.systems {
		if err := command(files, r.root, tmp, s); err != nil {
			return err
		}
	}
	if len(r.images) > 0 {
		if files[imageName], err = makeImage(r.root, tmp, r.images); err != nil {
			return err
		}
	}
	for _, name := range r.further {
		data, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return err
		}
		base := filepath.Base(name)
		if files[base] != nil {
			return fmt.Errorf("-with %s: there is a file %s already", name, base)
		}
		files[base] = data
	}
	files["SHA256SUMS"] = sums(files)
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sameToolchain refuses to pack with another Go release than root's go.mod pins.
func sameToolchain(root, running string) error {
	pinned, err := toolchain(root)
	if err != nil || pinned == "" || pinned == running {
		return err
	}
	return fmt.Errorf("go.mod pins %s and this is %s, which gives other bytes: use make package, or set GOTOOLCHAIN=%s", pinned, running, pinned)
}

// toolchain is the Go release that root's go.mod pins, for instance "go1.26.8"; "" for none.
func toolchain(root string) (string, error) {
	cmd := exec.Command("go", "mod", "edit", "-json") //nolint:noctx // ends by itself
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	var mod struct{ Toolchain string }
	if err := json.Unmarshal(out, &mod); err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	return mod.Toolchain, nil
}

// build compiles the program pkg of root for a system.
func build(root, to, pkg string, s system) error {
	pinned, err := toolchain(root)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=auto", "-ldflags", "-s -w -buildid=", "-o", to, pkg) //nolint:noctx // ends by itself
	cmd.Dir = root
	// The second half are settings of a developer that would change the bytes.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+s.OS, "GOARCH="+s.Arch,
		"GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off")
	if pinned != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+pinned)
	}
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", pkg, s, err, msg)
	}
	return nil
}

// queueFolder holds the files that differ in the package for FAN_OUT=queue.
const queueFolder = "deploy/queue"

// write puts the app found in root, with the handler built elsewhere, into a zip. Files of the folder
// over, if it is not "", replace those of root.
func write(w io.Writer, root, over, handler string) error {
	files := map[string]string{"handler": handler, "host.json": filepath.Join(root, "host.json")}
	for _, from := range []string{".", over} {
		if from == "" {
			continue
		}
		// A function is a folder directly below the root that holds a function.json.
		found, err := fs.Glob(os.DirFS(filepath.Join(root, from)), "*/function.json")
		if err != nil {
			return err
		}
		for _, name := range found {
			files[name] = filepath.Join(root, from, name)
		}
	}
	if over != "" {
		files["host.json"] = filepath.Join(root, over, "host.json")
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)

	z := zip.NewWriter(w)
	for _, name := range names {
		if err := add(z, name, files[name]); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
	}
	return z.Close()
}

func add(z *zip.Writer, name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modified()}
	h.SetMode(0o644)
	if executable(name) {
		h.SetMode(0o755)
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// sums writes the checksums as sha256sum does.
func sums(files map[string][]byte) []byte {
	var lines []string
	for name, data := range files {
		sum := sha256.Sum256(data)
		lines = append(lines, hex.EncodeToString(sum[:])+"  "+name+"\n")
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i][sha256.Size*2:] < lines[j][sha256.Size*2:] })
	return []byte(strings.Join(lines, ""))
}
