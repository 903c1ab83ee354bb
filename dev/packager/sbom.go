package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// What follows is the part of CycloneDX 1.6 that a Go binary can fill by
// itself: https://cyclonedx.org/docs/1.6/json/. Licences are not in a binary.

type document struct {
	BOMFormat    string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

// bill lists what a program is made of, from what the toolchain wrote into it.
// The same binary gives the same bytes: there is not a time in it, and the serial
// number is made of the binary.
func bill(program string, s system) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read build info: %w", err)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	self := component{
		Type: "application", Name: info.Main.Path, Version: version.Of(info),
		PURL:   "pkg:golang/" + info.Main.Path + "@" + escape(version.Of(info)) + "?goarch=" + s.Arch + "&goos=" + s.OS,
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}
	self.Ref = self.PURL
	toolchain := strings.TrimPrefix(info.GoVersion, "go")
	parts := []component{{Type: "library", Name: "std", Version: toolchain, PURL: "pkg:golang/std@" + escape(toolchain)}}
	for _, m := range info.Deps {
		parts = append(parts, library(m))
	}
	refs := make([]string, len(parts))
	for i := range parts {
		parts[i].Ref = parts[i].PURL
		refs[i] = parts[i].Ref
	}
	return json.Marshal(document{
		BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1, SerialNumber: serial(sum),
		Metadata: metadata{self}, Components: parts, Dependencies: []dependency{{self.Ref, refs}},
	}, jsontext.WithIndent("  "))
}

func library(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + escape(m.Version)}
	if m.Sum != "" { // a hash of the module's files, not of one file, so it is no CycloneDX hash
		c.Properties = []property{{"go.sum", m.Sum}}
	}
	return c
}

// escape writes a version as package URLs want it: https://github.com/package-url/purl-spec
func escape(v string) string { return strings.ReplaceAll(v, "+", "%2B") }

// serial makes a UUID (RFC 9562, version 8: of one's own making) of a hash.
func serial(sum [sha256.Size]byte) string {
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
