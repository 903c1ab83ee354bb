package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"debug/buildinfo"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// imageName is the file with the container image.
const imageName = "idnsentinel-image.tar"

// What the image holds beside the program: who runs it, and where its state may be.
const (
	nonRoot  = 65532 // as in other images without a shell
	stateDir = "var/lib/idnsentinel/"
)

// image is a container image for several architectures, as an archive of an OCI image layout:
// podman load, docker load (25 and later) and skopeo read it. It is written here because it must have
// the same bytes everywhere, which needs neither a container engine nor its base images.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
type image struct {
	blobs     map[string][]byte // by path in the layout
	manifests []v1.Descriptor   // one for each architecture
	version   string
}

// makeImage returns the archive of an image with the operator's command for Linux.
func makeImage(root, tmp string, archs []string) ([]byte, error) {
	roots, err := certificates()
	if err != nil {
		return nil, err
	}
	i := &image{blobs: map[string][]byte{}}
	for _, arch := range archs {
		program := filepath.Join(tmp, "image-"+arch)
		if err := build(root, program, "./cmd/idnsentinel", system{"linux", arch}); err != nil {
			return nil, err
		}
		if err := i.add(root, program, arch, roots); err != nil {
			return nil, fmt.Errorf("image for %s: %w", arch, err)
		}
	}
	return i.archive()
}

// certificates are the authorities that Mozilla trusts without conditions, which a file can't
// express.
func certificates() ([]byte, error) {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if _, err := x509.ParseCertificate(root.Certificate); err != nil {
			return nil, fmt.Errorf("certificates of the image: %w", err)
		}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, fmt.Errorf("certificates of the image: %w", err)
		}
	}
	return b.Bytes(), nil
}

// add adds the image for an architecture.
func (i *image) add(root, program, arch string, roots []byte) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	i.version = version.Of(info)
	layer, err := imageLayer(root, program, roots)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(layer); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	created := modified()
	config, err := i.json(v1.MediaTypeImageConfig, v1.Image{
		Created:  &created,
		Platform: v1.Platform{OS: "linux", Architecture: arch},
		Config: v1.ImageConfig{
			User:       fmt.Sprintf("%d:%d", nonRoot, nonRoot),
			Entrypoint: []string{"/idnsentinel"},
			Cmd:        []string{"serve"},
			WorkingDir: "/" + strings.TrimSuffix(stateDir, "/"),
			Env:        []string{"PATH=/"},
			StopSignal: "SIGTERM",
			Labels: map[string]string{
				v1.AnnotationTitle: "idnsentinel", v1.AnnotationVersion: i.version, v1.AnnotationLicenses: "MIT",
				v1.AnnotationSource: "https://" + info.Main.Path,
			},
		},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer)}},
	})
	if err != nil {
		return err
	}
	manifest, err := i.json(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: config, Layers: []v1.Descriptor{i.blob(v1.MediaTypeImageLayerGzip, packed.Bytes())},
	})
	manifest.Platform = &v1.Platform{OS: "linux", Architecture: arch}
	i.manifests = append(i.manifests, manifest)
	return err
}

// imageLayer is the file system of the image, as tar. There is no shell in it.
func imageLayer(root, program string, roots []byte) ([]byte, error) {
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	licence, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, f := range []struct {
		name  string
		mode  int64
		owner int
		data  []byte
	}{
		{"LICENSE", 0o644, 0, licence},
		{"etc/", 0o755, 0, nil},
		{"etc/group", 0o644, 0, fmt.Appendf(nil, "root:x:0:\nnonroot:x:%d:\n", nonRoot)},
		{"etc/passwd", 0o644, 0, fmt.Appendf(nil, "root:x:0:0:root:/:/none\nnonroot:x:%d:%d:nonroot:/%s:/none\n", nonRoot, nonRoot, strings.TrimSuffix(stateDir, "/"))},
		{"etc/ssl/", 0o755, 0, nil},
		{"etc/ssl/certs/", 0o755, 0, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, 0, roots},
		{"idnsentinel", 0o755, 0, binary},
		{"tmp/", 0o1777, 0, nil},
		{"var/", 0o755, 0, nil},
		{"var/lib/", 0o755, 0, nil},
		{stateDir, 0o700, nonRoot, nil}, // a new volume takes owner and mode from it
	} {
		h := &tar.Header{Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.data)), ModTime: modified(), Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("add %s: %w", f.name, err)
		}
		if _, err := t.Write(f.data); err != nil {
			return nil, fmt.Errorf("add %s: %w", f.name, err)
		}
	}
	err = t.Close()
	return b.Bytes(), err
}

// blob adds content by its digest.
func (i *image) blob(mediaType string, data []byte) v1.Descriptor {
	sum := digest.FromBytes(data)
	i.blobs["blobs/sha256/"+sum.Encoded()] = data
	return v1.Descriptor{MediaType: mediaType, Digest: sum, Size: int64(len(data))}
}

func (i *image) json(mediaType string, v any) (v1.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return i.blob(mediaType, data), nil
}

// archive is the layout as tar.
func (i *image) archive() ([]byte, error) {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: i.manifests}
	all, err := i.json(v1.MediaTypeImageIndex, index)
	if err != nil {
		return nil, err
	}
	tag := strings.ReplaceAll(i.version, "+", "-") // a tag has none
	all.Annotations = map[string]string{v1.AnnotationRefName: tag, "io.containerd.image.name": "idnsentinel:" + tag}
	index.Manifests = []v1.Descriptor{all}
	if i.blobs[v1.ImageIndexFile], err = json.Marshal(index); err != nil {
		return nil, err
	}
	if i.blobs[v1.ImageLayoutFile], err = json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion}); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := t.WriteHeader(&tar.Header{Name: dir, Mode: 0o755, ModTime: modified(), Format: tar.FormatUSTAR, Typeflag: tar.TypeDir}); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(i.blobs)) {
		data := i.blobs[name]
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: modified(), Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := t.Write(data); err != nil {
			return nil, err
		}
	}
	err = t.Close()
	return b.Bytes(), err
}
