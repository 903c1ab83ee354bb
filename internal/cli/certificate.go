package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// certificate is what --report writes. docs/operate.md describes it, and scripts rely on it.
type certificate struct {
	Certificate string    `json:"certificate"`
	Format      int       `json:"format"`
	Made        time.Time `json:"made"`
	Version     string    `json:"version"`
	// SHA256 is the checksum of the compact JSON of Audits.
	SHA256 string         `json:"sha256"`
	Audits jsontext.Value `json:"audits"`
}

// certified is an audit in a certificate.
type certified struct {
	Tenant string `json:"tenant"`
	app.Verdict
	// Against is what the source was compared with: "delivered" or "workspace".
	Against       string       `json:"against"`
	WindowSeconds int          `json:"window_seconds"`
	Ledger        []windowHash `json:"delivered_windows"`
}

// windowHash is a window of the ledger.
type windowHash struct {
	From   time.Time `json:"from"`
	IDs    int64     `json:"ids"`
	SHA256 string    `json:"sha256"`
}

// certify adds an audit to the certificate.
func (c *audit) certify(ctx context.Context, a *app.Connection, j app.Verdict) error {
	one := certified{Tenant: a.Settings().Tenant, Verdict: j, Against: "delivered", Ledger: []windowHash{}}
	if c.arrived {
		one.Against = "workspace"
	}
	window, sums, err := a.LedgerSums(ctx, j.Stream, j.From, j.To)
	if err != nil {
		return &failure{statusUnusable, "--report: the windows can't be read: " + err.Error(), c.again() + " tests every part separately"}
	}
	one.WindowSeconds = int(window / time.Second)
	for _, s := range sums {
		one.Ledger = append(one.Ledger, windowHash(s))
	}
	c.certified = append(c.certified, one)
	return nil
}

// reportFile is where a certificate is written. It appears at its place whole.
type reportFile struct {
	path string
	temp *os.File
}

// openReport fails if no file can be written there, before anything takes long.
func openReport(path string) (*reportFile, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--report is %s, which is not a file", path)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".certificate-*")
	if err != nil {
		return nil, fmt.Errorf("--report can't be written to %s: %w", filepath.Dir(path), withoutPath(err))
	}
	return &reportFile{path, temp}, nil
}

// withoutPath is the error of a file without its name, which may be a secret typed in its place.
func withoutPath(err error) error {
	var of *os.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// discard removes what was not written.
func (f *reportFile) discard() {
	_ = f.temp.Close()
	_ = os.Remove(f.temp.Name())
}

// write writes the certificate.
func (f *reportFile) write(audits []certified, now time.Time) error {
	list, err := json.Marshal(audits)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	sum := sha256.Sum256(list)
	all, err := json.Marshal(certificate{
		Certificate: "idn-sentinel audit", Format: 1, Made: now.UTC().Truncate(time.Second), Version: version.String(), SHA256: hex.EncodeToString(sum[:]), Audits: list,
	}, jsontext.WithIndent("  "))
	if err == nil {
		_, err = f.temp.Write(append(all, '\n'))
	}
	if err == nil {
		err = f.temp.Sync()
	}
	if err == nil {
		err = f.temp.Close()
	}
	if err == nil {
		err = os.Rename(f.temp.Name(), f.path)
	}
	if err != nil {
		return &failure{statusUnusable, fmt.Sprintf("--report can't be written to %s: %v", f.path, err), ""}
	}
	return nil
}
