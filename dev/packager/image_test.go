package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// unpack returns the entries of a tar archive, in order, and the contents of its files.
func unpack(t *testing.T, archive []byte) (headers []tar.Header, files map[string][]byte) {
	t.Helper()
	files = map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return headers, files
		}
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, *h)
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// layout is an OCI image layout.
type layout struct {
	t     *testing.T
	files map[string][]byte
}

// get returns a blob, whose size and digest must be as described.
func (l layout) get(d v1.Descriptor) []byte {
	l.t.Helper()
	data := l.files["blobs/sha256/"+d.Digest.Encoded()]
	if int64(len(data)) != d.Size || digest.FromBytes(data) != d.Digest {
		l.t.Fatalf("%s %s is not what its descriptor says", d.MediaType, d.Digest)
	}
	return data
}

func decoded[T any](t *testing.T, data []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The image is a valid layout; it runs as somebody without rights, and holds the program, the
// certificates, a place for the state, and no more.
func TestImage(t *testing.T) {
	tmp := t.TempDir()
	archive, err := makeImage(root, tmp, []string{runtime.GOARCH})
	if err != nil {
		t.Fatal(err)
	}
	_, files := unpack(t, archive)
	l := layout{t, files}
	if got := string(files["oci-layout"]); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	outer := decoded[v1.Index](t, files["index.json"])
	if len(outer.Manifests) != 1 || outer.Manifests[0].MediaType != v1.MediaTypeImageIndex || !strings.HasPrefix(outer.Manifests[0].Annotations["io.containerd.image.name"], "idnsentinel:") {
		t.Fatalf("index.json: %+v", outer)
	}
	index := decoded[v1.Index](t, l.get(outer.Manifests[0]))
	if len(index.Manifests) != 1 || index.Manifests[0].Platform.Architecture != runtime.GOARCH || index.Manifests[0].Platform.OS != "linux" {
		t.Fatalf("index: %+v", index)
	}
	manifest := decoded[v1.Manifest](t, l.get(index.Manifests[0]))
	config := decoded[v1.Image](t, l.get(manifest.Config))
	want := v1.ImageConfig{
		User: "65532:65532", Entrypoint: []string{"/idnsentinel"}, Cmd: []string{"serve"}, WorkingDir: "/var/lib/idnsentinel", Env: []string{"PATH=/"}, StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title": "idnsentinel", "org.opencontainers.image.licenses": "MIT",
			"org.opencontainers.image.source": "https://github.com/idn-sentinel/idn-sentinel", "org.opencontainers.image.version": config.Config.Labels["org.opencontainers.image.version"],
		},
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	z, err := gzip.NewReader(bytes.NewReader(l.get(manifest.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]digest.Digest{digest.FromBytes(layer)}, config.RootFS.DiffIDs); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	type one struct {
		Name     string
		Mode     int64
		Uid, Gid int
	}
	headers, contents := unpack(t, layer)
	var got []one
	for _, h := range headers {
		got = append(got, one{h.Name, h.Mode, h.Uid, h.Gid})
	}
	if diff := cmp.Diff([]one{
		{"LICENSE", 0o644, 0, 0},
		{"etc/", 0o755, 0, 0},
		{"etc/group", 0o644, 0, 0},
		{"etc/passwd", 0o644, 0, 0},
		{"etc/ssl/", 0o755, 0, 0},
		{"etc/ssl/certs/", 0o755, 0, 0},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, 0, 0},
		{"idnsentinel", 0o755, 0, 0},
		{"tmp/", 0o1777, 0, 0},
		{"var/", 0o755, 0, 0},
		{"var/lib/", 0o755, 0, 0},
		{"var/lib/idnsentinel/", 0o700, 65532, 65532},
	}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if pool := x509.NewCertPool(); !pool.AppendCertsFromPEM(contents["etc/ssl/certs/ca-certificates.crt"]) || bytes.Count(contents["etc/ssl/certs/ca-certificates.crt"], []byte("BEGIN CERTIFICATE")) < 80 {
		t.Error("the certificates can't be used")
	}
	if runtime.GOOS != "linux" {
		return
	}
	program := filepath.Join(tmp, "idnsentinel")
	if err := os.WriteFile(program, contents["idnsentinel"], 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "idnsentinel ") {
		t.Errorf("the program says %q, %v", out, err)
	}
	if out, err := exec.CommandContext(t.Context(), "file", program).CombinedOutput(); err == nil && !strings.Contains(string(out), "statically linked") {
		t.Errorf("not a static program: %s", out)
	}
}
